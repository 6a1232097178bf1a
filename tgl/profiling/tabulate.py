"""Make the rows of the tables `norms`, `profile` and `comparisons` from measured norms. Pure functions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

import numpy as np

from tgl.core.vocabulary import CONTROLS, DENOMINATORS, PROFILED_KINDS, SALIENT_KINDS, UNRANKED, kind_of
from tgl.models.sublayers import Sublayer
from tgl.profiling.norms import GroupNorms
from tgl.profiling.ratios import paired_difference, relative_norm

# These kinds of knowledge are compared with each other, paired by number of target tokens. If two kinds differ equally
# with wrong and with right answers, the difference comes from the text around the answers.
_KIND_PAIRS = (
    ("updated", "unchanged"),
    ("updated", "new_entity"),
    ("new_entity", "unchanged"),
    ("shuffled.updated", "shuffled.new_entity"),
)


def norm_rows(
    weights: str,
    measured: Mapping[str, GroupNorms],
    pairs: Mapping[str, list[str]],
    *,
    units: list[Sublayer],
) -> list[dict]:
    """Return the rows of the table `norms`: one per example and unit, and one per unit for the mean gradient.

    Args:
        weights: "trained" or "random".
        measured: The norms by group.
        pairs: The probes of each group's examples.
        units: The sublayers.
    """
    rows = []
    for group, norms in measured.items():
        shared = {"weights": weights, "group": group}
        for example in range(len(norms.each)):
            pair = pairs[group][example] if pairs[group] else ""
            own = {**shared, "example": example, "pair": pair, "num_tokens": int(norms.num_tokens[example])}
            own["loss"] = float(norms.losses[example])
            rows += [
                {**own, "sublayer": u.name, "norm": float(norms.each[example, n])}
                for n, u in enumerate(units)
            ]
        mean = {**shared, "example": -1, "pair": "", "num_tokens": int(norms.num_tokens.sum())}
        mean["loss"] = float(norms.losses[norms.finite].mean())
        if norms.of_mean is not None:
            rows += [
                {**mean, "sublayer": u.name, "norm": float(norms.of_mean[n])} for n, u in enumerate(units)
            ]
    return rows


def denominator_group(group: str, denominator: str, measured: Mapping[str, object]) -> str | None:
    """Return the denominator's group for a group; None if it was not measured or is the group itself.

    For `matched_span`, this is the control of the group's kind of knowledge, or else of the first salient kind.
    """
    if denominator == "matched_span":
        kinds = [kind_of(group), *SALIENT_KINDS]
        denominator = next((f"matched_span.{k}" for k in kinds if f"matched_span.{k}" in measured), "")
    return denominator if denominator in measured and denominator != group else None


def profile_rows(
    weights: str, measured: Mapping[str, GroupNorms], units: list[Sublayer], *, resamples: int, seed: int
) -> list[dict]:
    """Return the rows of the table `profile`: each group over each denominator, by unit and on average.

    Args:
        weights: "trained" or "random".
        measured: The norms by group.
        units: The sublayers.
        resamples: Number of bootstrap resamples.
        seed: Seed of the bootstrap.
    """
    ranked = [number for number, unit in enumerate(units) if unit.name not in UNRANKED]
    rows = []
    for group, norms in measured.items():
        each = norms.each[norms.finite]
        for denominator in DENOMINATORS:
            other = denominator_group(group, denominator, measured)
            if other is None:
                continue
            reference = measured[other].each[measured[other].finite]
            found = relative_norm(
                each[:, ranked],
                reference[:, ranked],
                resamples,
                seed=seed,
                names=[units[n].name for n in ranked],
            )
            for position, number in enumerate([*ranked, None]):
                unit = None if number is None else units[number]
                members = ranked if number is None else [number]
                rows.append(
                    {
                        "weights": weights,
                        "group": group,
                        "denominator": denominator,
                        "sublayer": unit.name if unit else "all",
                        "block": unit.block if unit else -1,
                        "part": unit.part if unit else "all",
                        "num_parameters": unit.num_parameters if unit else 0,
                        "num_examples": len(each),
                        "num_denominator_examples": len(reference),
                        "mean_norm": float(each[:, members].mean()),
                        "norm_of_mean": None
                        if norms.of_mean is None
                        else float(norms.of_mean[members].mean()),
                        "relative_norm": float(found.ratio[position]),
                        "low": float(found.low[position]),
                        "high": float(found.high[position]),
                        "above_mean": float(found.above_mean[position]),
                    }
                )
    return rows


def comparison_rows(
    weights: str,
    measured: Mapping[str, GroupNorms],
    pairs: Mapping[str, list[str]],
    *,
    units: list[Sublayer],
    resamples: int,
    seed: int,
) -> list[dict]:
    """Return the rows of the table `comparisons`. Two groups with fewer than two pairs have none.

    Args:
        weights: "trained" or "random".
        measured: The norms by group.
        pairs: The probes of each group's examples.
        units: The sublayers.
        resamples: Number of bootstrap resamples and of sign flips.
        seed: Seed of both.
    """
    ranked = [number for number, unit in enumerate(units) if unit.name not in UNRANKED]
    names = [units[number].name for number in ranked] + ["all"]
    rows = []
    for group, other, paired_by in _compared(measured):
        left, right = measured[group], measured[other]
        if paired_by == "probe":
            matched = paired_by_probe(pairs[group], pairs[other])
        else:
            matched = paired_by_tokens(left.num_tokens, right.num_tokens)
        matched = [
            (a, b)
            for a, b in matched
            if left.finite[a] and right.finite[b] and left.each[a].all() and right.each[b].all()
        ]
        if len(matched) < 2:
            continue
        mine, its = (list(side) for side in zip(*matched, strict=True))
        found = paired_difference(
            left.each[mine][:, ranked], right.each[its][:, ranked], resamples, seed=seed
        )
        for position, name in enumerate(names):
            rows.append(
                {
                    "weights": weights,
                    "group": group,
                    "other": other,
                    "paired_by": paired_by,
                    "sublayer": name,
                    "num_pairs": len(matched),
                    **{field: float(values[position]) for field, values in vars(found).items()},
                }
            )
    return rows


def _compared(measured: Mapping[str, GroupNorms]) -> Iterator[tuple[str, str, str]]:
    """Yield (group, other, criterion of the pairs) for the comparisons whose groups were measured."""
    wanted = [(kind, f"{control}.{kind}", "probe") for kind in PROFILED_KINDS for control in CONTROLS]
    wanted += [(group, other, "number of target tokens") for group, other in _KIND_PAIRS]
    return ((group, other, by) for group, other, by in wanted if group in measured and other in measured)


def paired_by_probe(left: list[str], right: list[str]) -> list[tuple[int, int]]:
    """Return (number in left, number in right) of the examples that belong to the same probe."""
    place = {identity: number for number, identity in enumerate(right)}
    return [(number, place[identity]) for number, identity in enumerate(left) if identity in place]


def paired_by_tokens(left: np.ndarray, right: np.ndarray) -> list[tuple[int, int]]:
    """Return pairs of examples with the same number of target tokens. Each example is in at most one pair."""
    waiting: dict[int, list[int]] = defaultdict(list)
    for number, tokens in reversed(list(enumerate(right.tolist()))):
        waiting[tokens].append(number)
    return [(number, waiting[t].pop()) for number, t in enumerate(left.tolist()) if waiting[t]]
