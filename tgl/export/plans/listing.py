"""Plans as JSON with the names of all parameters, for tools without a format of their own."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence

from tgl.export.plans.parameters import Export
from tgl.models.sublayers import Sublayer
from tgl.plans.plan import Plan

FORMAT = 1


def listing(plan: Plan, units: Sequence[Sublayer]) -> Export:
    """Return a plan as JSON, with the parameters of each multiplier and the frozen ones.

    `groups` and `frozen` are those of the first phase, `phases` holds all phases.
    """
    phases = [
        {"from": phase.start, **_groups(dataclasses.replace(plan, multipliers=phase.multipliers), units)}
        for phase in plan.phases
    ]
    later = [{"from": phase.start, "multipliers": phase.multipliers} for phase in plan.later]
    first = {key: value for key, value in phases[0].items() if key != "from"}
    content = {
        "format": FORMAT,
        "plan": dataclasses.asdict(plan) | {"later": later},
        **first,
        "phases": phases,
    }
    return Export(json.dumps(content, indent=2) + "\n")


def _groups(plan: Plan, units: Sequence[Sublayer]) -> Mapping[str, list]:
    groups: dict[float, list[str]] = {}
    for unit in units:
        groups.setdefault(float(plan.of(unit.name)), []).extend(unit.parameters)
    frozen = groups.pop(0.0, [])
    return {
        "groups": [
            {"multiplier": multiplier, "parameters": names} for multiplier, names in sorted(groups.items())
        ],
        "frozen": frozen,
    }
