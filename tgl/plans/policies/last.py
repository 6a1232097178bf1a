"""Train the sublayers of the last blocks, up to the budget of the traced set."""

from __future__ import annotations

import random
from collections.abc import Sequence

from tgl.plans.names import PlanName
from tgl.plans.policy import Choice, Policy, Unit
from tgl.plans.ranking import head_at_budget


def choose(name: PlanName, units: Sequence[Unit], rng: random.Random) -> Choice:
    """Choose sublayers in reverse order of depth, up to the budget."""
    ordered = units[::-1]
    return head_at_budget(units, [unit.name for unit in ordered], name.top)


POLICY = Policy(choose, frozenset({"profile", "top"}), control_of=("tgl_fp",))
