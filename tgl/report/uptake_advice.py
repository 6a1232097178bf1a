"""Suggest learning rates for comparisons at equal uptake that have no verdict."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

_STEP = 2.0  # Factor between neighbouring rates if only one rate was run.


def advice(table: pd.DataFrame, rates: Sequence[float]) -> str:
    """State why comparisons have no verdict and which learning rates to add.

    Args:
        table: Rows of `tgl.analysis.uptake.at_equal_uptake`.
        rates: Learning rates that were run.

    Returns:
        The advice, or an empty string if no comparison lacks a rate.
    """
    without = table[table["missing"] != ""] if len(table) else table
    if without.empty:
        return ""
    reason = (
        f"{len(without)} of {len(table)} comparisons at equal uptake have no verdict: in at least one seed the level "
        "does not lie between two learning rates that were run"
    )
    if len(rates) == 1:
        reason += ", because only one rate was run"
    wanted: dict[str, list[str]] = {}
    for cell in without["missing"]:
        for line in cell.split("; "):
            method, _, where = line.partition(": ")
            if method not in wanted.setdefault(where, []):
                wanted[where].append(method)
    lines = [
        f"{where} (for instance {_example(where, sorted(rates))}) for {', '.join(methods)}"
        for where, methods in wanted.items()
    ]
    return f"{reason}. Add to train.learning_rates: {'; '.join(lines)}."


def _example(where: str, rates: list[float]) -> str:
    """Return rates that extend the grid, or that lie between a rate and its neighbours."""
    side, _, text = where.partition(" ")
    steps = [high / low for low, high in zip(rates, rates[1:], strict=False)] or [_STEP]
    place = min(range(len(rates)), key=lambda number: abs(rates[number] - float(text)))
    if side == "below":
        found = [rates[place] / (steps[0] ** power) for power in (1, 2)]
    elif side == "above":
        found = [rates[place] * (steps[-1] ** power) for power in (1, 2)]
    else:
        near = [rates[number] for number in (place - 1, place + 1) if 0 <= number < len(rates)]
        found = [(rate * rates[place]) ** 0.5 for rate in near]
    return " and ".join(f"{rate:.2g}" for rate in found)
