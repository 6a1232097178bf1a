"""TGL+ALR: the multiplier is the relative gradient norm r divided by its mean, r / mean(r); with `max`, r / max(r)."""

from __future__ import annotations

import random
from collections.abc import Sequence

from tgl.plans.names import PlanName
from tgl.plans.policy import Choice, Policy, Unit
from tgl.plans.ranking import scaled


def choose(name: PlanName, units: Sequence[Unit], rng: random.Random) -> Choice:
    """Scale each sublayer's learning rate."""
    return Choice([scaled(units, name.scale)])


POLICY = Policy(choose, frozenset({"profile", "max"}), scales=True)
