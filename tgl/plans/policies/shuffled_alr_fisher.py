"""Train every sublayer with the multipliers of `alr_fisher` in random order."""

from __future__ import annotations

import random
from collections.abc import Sequence

from tgl.plans.names import PlanName
from tgl.plans.policy import Choice, Policy, Unit
from tgl.plans.ranking import interference, of_mean_one


def choose(name: PlanName, units: Sequence[Unit], rng: random.Random) -> Choice:
    """Shuffle the multipliers over the sublayers."""
    pairs = interference(units)
    values = of_mean_one(units, [uptake / fisher for uptake, fisher in pairs])
    order = rng.sample(list(values.values()), len(values))
    return Choice([dict(zip(values, order, strict=True))], "the multipliers of alr_fisher, shuffled")


POLICY = Policy(choose, frozenset({"salient"}), control_of=("alr_fisher",), scales=True, interferes=True)
