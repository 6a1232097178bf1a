"""Policies: from a profile to a learning-rate multiplier per sublayer. Pure functions.

Multiplier 0 freezes a sublayer, 1 trains it at the run's learning rate. The unit `embedding` is outside the
ranking and follows one setting. Policies:

- `full`: every sublayer at 1.
- `tgl_fp`: 1 where the relative gradient norm exceeds its mean over sublayers, else 0.
- `tgl_alr`: r / mean(r), or r / max(r).
- `random`: as many trainable parameters as `tgl_fp` within 5 %, overlapping its choice by a Jaccard index of at
  most 0.5.
- `inverse`: the sublayers of lowest r, as many as come closest to the parameters of `tgl_fp`.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass

import numpy as np

from tgl.config import PlanConfig
from tgl.errors import TglError, nearest
from tgl.plan import Plan

BUDGET_TOLERANCE = 0.05
MAX_JACCARD = 0.5


@dataclass(frozen=True)
class Unit:
    """What a policy knows of a sublayer: its name, number of parameters and relative gradient norm."""

    name: str
    num_parameters: int
    relative_norm: float


def make_plan(method: str, units: list[Unit], settings: PlanConfig, seed: int) -> Plan:
    """Apply policy `method` to the ranked sublayers. `seed` draws the random subset."""
    if not units:
        raise TglError("plan: the profile holds no sublayer")
    if any(not np.isfinite(unit.relative_norm) or unit.relative_norm < 0 for unit in units):
        bad = [unit.name for unit in units if not np.isfinite(unit.relative_norm) or unit.relative_norm < 0]
        raise TglError(f"plan: relative gradient norms must be finite and at least 0; they are not for {bad}")
    note = ""
    if method == "full":
        values = dict.fromkeys((unit.name for unit in units), 1.0)
    elif method == "tgl_fp":
        values = _chosen(units, traced(units))
    elif method == "tgl_alr":
        norms = np.array([unit.relative_norm for unit in units])
        scale = norms.mean() if settings.alr_scale == "mean" else norms.max()
        if scale == 0:
            raise TglError("plan: every relative gradient norm is 0, no learning rate can follow from them")
        values = {unit.name: float(unit.relative_norm / scale) for unit in units}
    elif method == "random":
        chosen, note = matched_random(units, traced(units), seed)
        values = _chosen(units, chosen)
    elif method == "inverse":
        chosen, note = lowest(units, traced(units))
        values = _chosen(units, chosen)
    else:
        raise TglError(f"plan: unknown method '{method}'{nearest(method, METHODS)}")
    size = {unit.name: unit.num_parameters for unit in units}
    return Plan(
        method=method,
        embedding=1.0 if settings.embedding == "trained" else 0.0,
        multipliers=values,
        denominator=settings.denominator,
        trainable_parameters=sum(size[name] for name, value in values.items() if value > 0),
        total_parameters=sum(size.values()),
        note=note,
    )


METHODS = ("full", "tgl_fp", "tgl_alr", "random", "inverse")


def traced(units: list[Unit]) -> set[str]:
    """Return the sublayers whose relative norm exceeds the mean; all of them when none does (all equal)."""
    mean = np.mean([unit.relative_norm for unit in units])
    return {unit.name for unit in units if unit.relative_norm > mean} or {unit.name for unit in units}


def matched_random(units: list[Unit], reference: set[str], seed: int) -> tuple[set[str], str]:
    """Return a random subset at the reference's budget (5 %) and Jaccard index at most 0.5, and a note.

    Where no such subset was found, the one with the smallest overlap at the nearest budget is returned and
    the note says so.
    """
    rng = random.Random(f"random plan:{seed}")
    size = {unit.name: unit.num_parameters for unit in units}
    budget = sum(size[name] for name in reference)
    names = [unit.name for unit in units]
    best, best_key = reference, (2.0, 2.0)
    for _ in range(20_000):
        drawn: set[str] = set()
        total = 0
        for name in rng.sample(names, len(names)):
            if total + size[name] <= budget * (1 + BUDGET_TOLERANCE):
                drawn.add(name)
                total += size[name]
        gap, overlap = abs(total - budget) / budget, jaccard(drawn, reference)
        if gap <= BUDGET_TOLERANCE and overlap <= MAX_JACCARD:
            return drawn, f"Jaccard index with tgl_fp {overlap:.2f}"
        key = (max(0.0, overlap - MAX_JACCARD), gap)
        if gap <= BUDGET_TOLERANCE and key < best_key:
            best, best_key = drawn, key
    overlap = jaccard(best, reference)
    return best, (
        f"no random subset overlaps tgl_fp by a Jaccard index of at most {MAX_JACCARD} within "
        f"{BUDGET_TOLERANCE:.0%} of its parameters: this one has {overlap:.2f}"
    )


def lowest(units: list[Unit], reference: set[str]) -> tuple[set[str], str]:
    """Return the sublayers of lowest relative norm up to the reference's parameters, and a note.

    Taken in rising order; the last one is swapped or dropped so that the total comes closest to the budget.
    """
    size = {unit.name: unit.num_parameters for unit in units}
    budget = sum(size[name] for name in reference)
    order = [unit.name for unit in sorted(units, key=lambda unit: (unit.relative_norm, unit.name))]
    best: tuple[float, int, set[str]] | None = None
    for length in range(len(order)):
        head = order[:length]
        total = sum(size[name] for name in head)
        # The head alone, or the head and one more, the lowest that fits: sublayers differ in size.
        for extra in itertools.chain([None], order[length:]):
            chosen = {*head, extra} if extra else set(head)
            gap = abs(total + (size[extra] if extra else 0) - budget) / budget
            skipped = order.index(extra) - length if extra else 0
            key = (0.0 if gap <= BUDGET_TOLERANCE else gap, skipped)
            if chosen and (best is None or key < best[:2]):
                best = (*key, chosen)
    chosen = best[2]
    gap = abs(sum(size[name] for name in chosen) - budget) / budget
    return chosen, f"{gap:.1%} from the parameters of tgl_fp, Jaccard index {jaccard(chosen, reference):.2f}"


def jaccard(left: set[str], right: set[str]) -> float:
    """Return |left and right| / |left or right| (1 for two empty sets)."""
    return len(left & right) / len(left | right) if left | right else 1.0


def _chosen(units: list[Unit], names: set[str]) -> dict[str, float]:
    return {unit.name: 1.0 if unit.name in names else 0.0 for unit in units}
