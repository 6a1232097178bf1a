"""The sublayers in the middle of the model, up to the number of parameters that `tgl_fp` trains."""

import random
from collections.abc import Sequence

from tgl.plans.names import PlanName
from tgl.plans.policy import Choice, Policy, Unit
from tgl.plans.ranking import head_at_budget


def choose(name: PlanName, units: Sequence[Unit], rng: random.Random) -> Choice:
    """Take the sublayers in order of their distance from the middle."""
    middle = (len(units) - 1) / 2
    order = sorted(range(len(units)), key=lambda number: (abs(number - middle), number))
    return head_at_budget(units, [units[number].name for number in order], name.top)


POLICY = Policy(choose, frozenset({"profile", "top"}), control_of=("tgl_fp",))
