"""Choose sublayers by relative gradient norm, and budget-matched sets by other orders."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tgl.core.errors import TglError
from tgl.plans.policy import Choice, Unit, sizes
from tgl.plans.subsets import head_subset, jaccard


def traced(units: Sequence[Unit], top: float | None = None) -> set[str]:
    """Return the traced set: the sublayers whose relative norm exceeds the mean, or all if all norms are equal.

    Args:
        units: The sublayers.
        top: Share of the sublayers with the largest relative norms to return instead, rounded, at least one.
    """
    if top is not None:
        ordered = sorted(units, key=lambda unit: (-unit.relative_norm, unit.name))
        return {unit.name for unit in ordered[: max(1, round(top * len(units)))]}
    mean = np.mean([unit.relative_norm for unit in units])
    return {unit.name for unit in units if unit.relative_norm > mean} or {unit.name for unit in units}


def scaled(units: Sequence[Unit], scale: str) -> dict[str, float]:
    """Return r / mean(r) by sublayer, or r / max(r), for the relative norms r.

    Args:
        units: The sublayers.
        scale: "mean" or "max".

    Raises:
        TglError: Every norm is 0.
    """
    norms = np.array([unit.relative_norm for unit in units])
    divisor = norms.mean() if scale == "mean" else norms.max()
    if divisor == 0:
        raise TglError(
            "plan: every relative gradient norm is 0, so they give no learning rates. Measure the profile again"
        )
    return {unit.name: float(unit.relative_norm / divisor) for unit in units}


def interference(units: Sequence[Unit]) -> list[tuple[float, float]]:
    """Return (uptake, Fisher trace) of each sublayer.

    Raises:
        TglError: They were not measured, or one of them is 0.
    """
    found = [(unit.uptake, unit.fisher) for unit in units]
    for unit, pair in zip(units, found, strict=True):
        if None in pair:
            raise TglError(
                "plan: found no table `interference`, but the plan depends on it. Measure it with `tgl interference`, "
                "and give it with --interference FILE"
            )
        if not all(np.isfinite(value) and value > 0 for value in pair):
            raise TglError(
                f"plan: found uptake and Fisher trace {pair} of {unit.name}, expected both above 0"
            )
    return found


def of_mean_one(units: Sequence[Unit], values: Sequence[float]) -> dict[str, float]:
    """Return the values divided by their mean, by sublayer."""
    mean = float(np.mean(values))
    return {unit.name: float(value / mean) for unit, value in zip(units, values, strict=True)}


def budget(units: Sequence[Unit], reference: set[str]) -> int:
    """Return the number of parameters of the sublayers in `reference`."""
    return sum(unit.num_parameters for unit in units if unit.name in reference)


def head_at_budget(units: Sequence[Unit], order: Sequence[str], top: float | None) -> Choice:
    """Return the choice of the first sublayers in `order`, up to the budget of the traced set.

    Args:
        units: The sublayers.
        order: Names of the sublayers in the order of preference.
        top: See `traced`.
    """
    reference = traced(units, top)
    chosen, note = head_subset(order, sizes(units), budget(units, reference))
    return Choice.only(
        units, chosen, f"{note}, Jaccard index with the traced set {jaccard(chosen, reference):.2f}"
    )
