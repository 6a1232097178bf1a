"""How a benchmark prints what it measured."""

from __future__ import annotations

import json


def figure(
    name: str, value: float, unit: str, peer: str, ratio: float, goal: float | None, least: bool
) -> str:
    """Return one figure as a line of JSON; `least`: the goal is a least ratio, else a most."""
    met = None if goal is None else ratio >= goal if least else ratio <= goal
    return json.dumps({"name": name, "value": round(value, 4), "unit": unit, "peer": peer,
                       "ratio": round(ratio, 4), "goal": goal, "met": met})  # fmt: skip
