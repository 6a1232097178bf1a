"""Train the sublayers with the lowest relative gradient norm, up to the budget of the traced set."""

from __future__ import annotations

import random
from collections.abc import Sequence

from tgl.plans.names import PlanName
from tgl.plans.policy import Choice, Policy, Unit
from tgl.plans.ranking import head_at_budget


def choose(name: PlanName, units: Sequence[Unit], rng: random.Random) -> Choice:
    """Choose sublayers by ascending relative norm, up to the budget."""
    ordered = sorted(units, key=lambda unit: (unit.relative_norm, unit.name))
    return head_at_budget(units, [unit.name for unit in ordered], name.top)


POLICY = Policy(choose, frozenset({"profile", "top"}), control_of=("tgl_fp",))
