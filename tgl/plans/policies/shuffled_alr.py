"""Train every sublayer with the multipliers of `tgl_alr` in random order."""

from __future__ import annotations

import random
from collections.abc import Sequence

from tgl.plans.names import PlanName
from tgl.plans.policy import Choice, Policy, Unit
from tgl.plans.ranking import scaled


def choose(name: PlanName, units: Sequence[Unit], rng: random.Random) -> Choice:
    """Shuffle the multipliers over the sublayers."""
    values = scaled(units, name.scale)
    order = rng.sample(list(values), len(values))
    shuffled = dict(zip(values, (values[other] for other in order), strict=True))
    return Choice([shuffled], "the multipliers of tgl_alr, shuffled")


POLICY = Policy(choose, frozenset({"profile", "max"}), control_of=("tgl_alr",), scales=True)
