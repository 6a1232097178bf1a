"""Scale each sublayer's rate by its uptake: a control for `alr_fisher` without the Fisher trace."""

from __future__ import annotations

import random
from collections.abc import Sequence

from tgl.plans.names import PlanName
from tgl.plans.policy import Choice, Policy, Unit
from tgl.plans.ranking import interference, of_mean_one


def choose(name: PlanName, units: Sequence[Unit], rng: random.Random) -> Choice:
    """Scale each sublayer's learning rate by a."""
    pairs = interference(units)
    return Choice([of_mean_one(units, [uptake for uptake, _ in pairs])])


POLICY = Policy(choose, frozenset({"salient"}), control_of=("alr_fisher",), scales=True, interferes=True)
