"""Train a random half of the sublayers."""

from __future__ import annotations

import random
from collections.abc import Sequence

from tgl.plans.names import PlanName
from tgl.plans.policy import Choice, Policy, Unit


def choose(name: PlanName, units: Sequence[Unit], rng: random.Random) -> Choice:
    """Draw half of the sublayers, at least one."""
    names = [unit.name for unit in units]
    return Choice.only(units, set(rng.sample(names, max(1, len(names) // 2))))


POLICY = Policy(choose)
