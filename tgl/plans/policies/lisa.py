"""Five phases of equal length, each with a random set at the budget, as in LISA (Pan et al. 2024, arXiv 2403.17919)."""

from __future__ import annotations

import random
from collections.abc import Sequence

from tgl.plans.names import PlanName
from tgl.plans.policy import Choice, Policy, Unit, multipliers, sizes
from tgl.plans.ranking import budget, traced
from tgl.plans.subsets import random_subset

NUM_PHASES = 5


def choose(name: PlanName, units: Sequence[Unit], rng: random.Random) -> Choice:
    """Draw a random set for each phase."""
    wanted = budget(units, traced(units, name.top))
    drawn = [random_subset(sizes(units), wanted, rng)[0] for _ in range(NUM_PHASES)]
    phases = [multipliers(units, chosen) for chosen in drawn]
    return Choice(phases, f"{NUM_PHASES} phases, each a new random subset")


POLICY = Policy(choose, frozenset({"profile", "top"}), num_phases=NUM_PHASES, control_of=("tgl_fp",))
