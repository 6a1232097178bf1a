"""Scale each sublayer's rate by uptake over interference: a / f divided by its mean (`tgl.profiling.interference`)."""

from __future__ import annotations

import random
from collections.abc import Sequence

from tgl.plans.names import PlanName
from tgl.plans.policy import Choice, Policy, Unit
from tgl.plans.ranking import interference, of_mean_one


def choose(name: PlanName, units: Sequence[Unit], rng: random.Random) -> Choice:
    """Scale each sublayer's learning rate by a / f."""
    pairs = interference(units)
    return Choice([of_mean_one(units, [uptake / fisher for uptake, fisher in pairs])])


POLICY = Policy(choose, frozenset({"salient"}), scales=True, interferes=True)
