"""TGL+FP: the multiplier is 1 if the relative gradient norm exceeds its mean over sublayers, otherwise 0.

With `top25`, it is 1 for the quarter of the sublayers with the largest relative norm.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from tgl.plans.names import PlanName
from tgl.plans.policy import Choice, Policy, Unit
from tgl.plans.ranking import traced


def choose(name: PlanName, units: Sequence[Unit], rng: random.Random) -> Choice:
    """Choose the traced set."""
    return Choice.only(units, traced(units, name.top))


POLICY = Policy(choose, frozenset({"profile", "top"}))
