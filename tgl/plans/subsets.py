"""Budget-matched subsets of sublayers: the controls for a choice of layers."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence

from tgl.core.errors import TglError

BUDGET_TOLERANCE = 0.05
MAX_JACCARD = 0.5


def random_subset(
    size: Mapping[str, int], budget: int, rng: random.Random, *, avoid: set[str] | None = None
) -> tuple[set[str], str]:
    """Return a random subset within 5 % of `budget` parameters, and a note.

    If 20,000 draws find no subset that differs enough from `avoid`, the function returns the best one and notes it.

    Args:
        size: Number of parameters by sublayer.
        budget: Number of parameters of the subset.
        rng: The random generator.
        avoid: A subset with which the result has a Jaccard index of at most 0.5.

    Raises:
        TglError: No subset is within 5 % of the budget.
    """
    best: tuple[float, float, set[str]] | None = None
    for _ in range(20_000):
        drawn: set[str] = set()
        total = 0
        for name in rng.sample(list(size), len(size)):
            if total + size[name] <= budget * (1 + BUDGET_TOLERANCE):
                drawn.add(name)
                total += size[name]
        gap = abs(total - budget) / budget
        overlap = jaccard(drawn, avoid) if avoid is not None else 0.0
        if gap > BUDGET_TOLERANCE:
            continue
        if overlap <= MAX_JACCARD:
            return drawn, f"{gap:.1%} from the budget" + (
                f", Jaccard index {overlap:.2f}" if avoid is not None else ""
            )
        if best is None or (overlap, gap) < best[:2]:
            best = (overlap, gap, drawn)
    if best is None:
        raise TglError(
            f"plan: no subset of the sublayers has {budget:,} parameters within {BUDGET_TOLERANCE:.0%}. "
            "Choose another policy"
        )
    return best[2], (
        f"no random subset overlaps the traced one by a Jaccard index of at most {MAX_JACCARD} within "
        f"{BUDGET_TOLERANCE:.0%} of its parameters: this one has {best[0]:.2f}"
    )


def head_subset(order: Sequence[str], size: Mapping[str, int], budget: int) -> tuple[set[str], str]:
    """Return the first sublayers in `order`, up to `budget` parameters, and a note.

    Sublayers differ in size. If the first ones miss the budget by more than 5 %, the function adds the next sublayer
    that brings the total within 5 %, or otherwise nearest to the budget.

    Args:
        order: Names of the sublayers in the order of preference.
        size: Number of parameters by sublayer.
        budget: Number of parameters of the subset.
    """
    best: tuple[float, int, float, set[str]] | None = None
    for length in range(len(order)):
        head = order[:length]
        total = sum(size[name] for name in head)
        for extra in itertools.chain([None], order[length:]):
            chosen = {*head, extra} if extra else set(head)
            gap = abs(total + (size[extra] if extra else 0) - budget) / budget
            skipped = order.index(extra) - length if extra else 0
            key = (0.0 if gap <= BUDGET_TOLERANCE else gap, skipped, gap)
            if chosen and (best is None or key < best[:3]):
                best = (*key, chosen)
    return best[3], f"{best[2]:.1%} from the budget"


def jaccard(left: set[str], right: set[str]) -> float:
    """Return |left and right| / |left or right| (1 for two empty sets)."""
    return len(left & right) / len(left | right) if left | right else 1.0
