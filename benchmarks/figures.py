"""Print the results of a benchmark."""

from __future__ import annotations

import json

from benchmarks.processes import Lost


def figure(
    name: str, value: float | Lost, unit: str, peer: str, ratio: float | Lost, goal: float | None, least: bool
) -> str:
    """Return one figure as a line of JSON.

    Args:
        name: The name of the figure.
        value: The measured value, or a Lost, which becomes null.
        unit: The unit of the value.
        peer: The peer of the comparison. If something is lost, the reason is appended.
        ratio: The ratio to the peer, or a Lost, which becomes null.
        goal: The goal for the ratio, or None.
        least: Whether the goal is a minimum, else it is a maximum.
    """
    lost = next((found for found in (value, ratio) if isinstance(found, Lost)), None)
    if lost is None:
        met = None if goal is None else ratio >= goal if least else ratio <= goal
    else:
        met, peer = None, f"{peer}; no ratio: {lost}"
    return json.dumps({"name": name, "value": _rounded(value), "unit": unit, "peer": peer,
                       "ratio": _rounded(ratio), "goal": goal, "met": met})  # fmt: skip


def over(one: float | Lost, other: float | Lost) -> float | Lost:
    """Return one / other, or the Lost among the two."""
    return next((found for found in (one, other) if isinstance(found, Lost)), None) or one / other


def cell(value: float | Lost, form: str, unit: str = "") -> str:
    """Return a value formatted for a table, for example by `8.3f`, or the reason of a Lost."""
    return str(value) if isinstance(value, Lost) else f"{value:{form}} {unit}".rstrip()


def _rounded(value: float | Lost) -> float | None:
    return None if isinstance(value, Lost) else round(value, 4)
