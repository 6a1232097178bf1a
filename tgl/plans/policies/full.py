"""Train every sublayer with multiplier 1."""

from __future__ import annotations

import random
from collections.abc import Sequence

from tgl.plans.names import PlanName
from tgl.plans.policy import Choice, Policy, Unit


def choose(name: PlanName, units: Sequence[Unit], rng: random.Random) -> Choice:
    """Choose every sublayer."""
    return Choice([dict.fromkeys((unit.name for unit in units), 1.0)])


POLICY = Policy(choose)
