"""Train a random budget-matched set: the traced set's parameters within 5 %, Jaccard index with it at most 0.5."""

from __future__ import annotations

import random
from collections.abc import Sequence

from tgl.plans.names import PlanName
from tgl.plans.policy import Choice, Policy, Unit, sizes
from tgl.plans.ranking import budget, traced
from tgl.plans.subsets import random_subset


def choose(name: PlanName, units: Sequence[Unit], rng: random.Random) -> Choice:
    """Draw a set with the size of the traced set but little overlap with it."""
    reference = traced(units, name.top)
    chosen, note = random_subset(sizes(units), budget(units, reference), rng, avoid=reference)
    return Choice.only(units, chosen, note)


POLICY = Policy(choose, frozenset({"profile", "top"}), control_of=("tgl_fp",))
