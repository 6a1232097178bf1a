"""How a benchmark prints what it measured."""

from __future__ import annotations

import json

from benchmarks.processes import Lost


def figure(
    name: str, value: float | Lost, unit: str, peer: str, ratio: float | Lost, goal: float | None, least: bool
) -> str:
    """Return one figure as a line of JSON; `least`: the goal is a least ratio, else a most.

    A value or ratio that was lost is null, and `peer` says why.
    """
    lost = next((found for found in (value, ratio) if isinstance(found, Lost)), None)
    if lost is None:
        met = None if goal is None else ratio >= goal if least else ratio <= goal
    else:
        met, peer = None, f"{peer}; no ratio: {lost}"
    return json.dumps({"name": name, "value": _rounded(value), "unit": unit, "peer": peer,
                       "ratio": _rounded(ratio), "goal": goal, "met": met})  # fmt: skip


def over(one: float | Lost, other: float | Lost) -> float | Lost:
    """Return one / other, or what of the two is lost."""
    return next((found for found in (one, other) if isinstance(found, Lost)), None) or one / other


def cell(value: float | Lost, form: str, unit: str = "") -> str:
    """Return a value for a table by a format as `8.3f`, or in its place how it was lost."""
    return str(value) if isinstance(value, Lost) else f"{value:{form}} {unit}".rstrip()


def _rounded(value: float | Lost) -> float | None:
    return None if isinstance(value, Lost) else round(value, 4)
