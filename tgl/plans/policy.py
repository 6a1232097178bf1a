"""Policies: functions from relative gradient norms to a learning-rate multiplier per sublayer.

Multiplier 0 freezes a sublayer, 1 trains it at the run's learning rate. The ranking does not include the unit
`embedding`, which has a separate setting.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tgl.core.registry import Registry

if TYPE_CHECKING:
    from torch import nn

    from tgl.plans.names import PlanName


@dataclass(frozen=True)
class Unit:
    """A sublayer for a policy. Lists of units are in order of depth.

    Attributes:
        name: The name of the sublayer.
        num_parameters: Its number of parameters.
        relative_norm: Its relative gradient norm.
        measured: The result of the policy's `measure` for it, or None.
        uptake: The L1 norm of the mean gradient of salient spans (`tgl.profiling.interference`), or None.
        fisher: The trace of the Fisher information of old text, or None.
    """

    name: str
    num_parameters: int
    relative_norm: float
    measured: float | None = None
    uptake: float | None = None
    fisher: float | None = None


@dataclass(frozen=True)
class Choice:
    """The decision of a policy.

    Attributes:
        phases: The multipliers by sublayer, for each phase. All phases have the same length.
        note: A note for the plan.
    """

    phases: Sequence[Mapping[str, float]]
    note: str = ""

    @classmethod
    def only(cls, units: Sequence[Unit], chosen: set[str], note: str = "") -> Choice:
        """Return a choice with one phase that trains the sublayers `chosen` and freezes the others."""
        return cls([multipliers(units, chosen)], note)


@dataclass(frozen=True)
class Policy:
    """One way to choose multipliers.

    Attributes:
        choose: Receives the parsed name of the plan, the units, and a random generator seeded by the policy's name and
            the seed.
        variations: What can follow the policy in the name of a plan: "profile" (the relative norm for the ranking: a
            denominator, a kind, `borrowed`), "top" (a share of the sublayers), "max" (the divisor), "of" (another
            policy), "number" (a sublayer).
        measure: Receives the model and the names of its units, and measures each unit. None: the policy does not need
            the model.
        num_phases: Number of phases of its plans.
        control_of: Policies with the same training budget that it is a control for. It ignores gradients or uses them
            in reverse.
        scales: Whether its multipliers can differ from 0 and 1.
        interferes: Whether it needs uptake and Fisher information of the sublayers (`tgl interference`).
    """

    choose: Callable[[PlanName, Sequence[Unit], random.Random], Choice]
    variations: frozenset[str] = frozenset()
    measure: Callable[[nn.Module, Sequence[str]], Mapping[str, float]] | None = None
    num_phases: int = 1
    control_of: tuple[str, ...] = ()
    scales: bool = False
    interferes: bool = False


POLICIES = Registry("policy", "policies", "tgl.plans.policies", "POLICY", Policy)


def multipliers(units: Sequence[Unit], chosen: set[str]) -> dict[str, float]:
    """Return multiplier 1 for the chosen sublayers and 0 for the others."""
    return {unit.name: 1.0 if unit.name in chosen else 0.0 for unit in units}


def sizes(units: Sequence[Unit]) -> dict[str, int]:
    """Return the number of parameters by sublayer."""
    return {unit.name: unit.num_parameters for unit in units}
