"""Make a plan from ranked sublayers with the policy that its name begins with."""

from __future__ import annotations

import random

import numpy as np

from tgl.core.errors import TglError
from tgl.plans.names import parse_plan
from tgl.plans.plan import Phase, Plan
from tgl.plans.policy import POLICIES, Unit, sizes
from tgl.plans.settings import PlanConfig


def make_plan(method: str, units: list[Unit], settings: PlanConfig, *, seed: int) -> Plan:
    """Return a plan for the ranked sublayers.

    Args:
        method: Name of the plan (`tgl.plans.names`).
        units: The sublayers in order of depth, with relative gradient norms.
        settings: Choices that the name leaves open.
        seed: Seed of random policies.

    Raises:
        TglError: A norm is not finite, or the name is unknown or names a sublayer that does not exist.
    """
    if not units:
        raise TglError(
            "plan: the profile holds no sublayer, expected at least one. Measure the profile again"
        )
    if any(not np.isfinite(unit.relative_norm) or unit.relative_norm < 0 for unit in units):
        bad = [unit.name for unit in units if not np.isfinite(unit.relative_norm) or unit.relative_norm < 0]
        raise TglError(
            f"plan: relative gradient norms must be finite and at least 0; they are not for {bad}. "
            "Measure the profile again"
        )
    name = parse_plan(method)
    choice = POLICIES.get(name.policy).choose(name, units, random.Random(f"{name.policy}:{seed}"))
    phases, size = choice.phases, sizes(units)
    return Plan(
        method=method,
        embedding=1.0 if (name.embedding or settings.embedding) == "trained" else 0.0,
        multipliers=dict(phases[0]),
        denominator=name.denominator or settings.denominator,
        trainable_parameters=sum(size[name] for name, value in phases[0].items() if value > 0),
        total_parameters=sum(size.values()),
        note=choice.note,
        later=tuple(Phase(number / len(phases), dict(own)) for number, own in enumerate(phases) if number),
    )
