"""Train every sublayer with the parameter-weighted mean multiplier of `tgl_alr` or `tgl_fp`."""

from __future__ import annotations

import random
from collections.abc import Sequence

from tgl.plans.names import PlanName
from tgl.plans.policy import Choice, Policy, Unit, multipliers, sizes
from tgl.plans.ranking import scaled, traced


def choose(name: PlanName, units: Sequence[Unit], rng: random.Random) -> Choice:
    """Choose every sublayer with the same multiplier."""
    size = sizes(units)
    values = (
        scaled(units, name.scale) if name.of == "tgl_alr" else multipliers(units, traced(units, name.top))
    )
    mean = sum(size[unit] * value for unit, value in values.items()) / sum(size.values())
    return Choice([dict.fromkeys(size, mean)], f"the parameter-weighted mean multiplier of {name.of}")


POLICY = Policy(choose, frozenset({"profile", "top", "max", "of"}), control_of=("tgl_alr",), scales=True)
