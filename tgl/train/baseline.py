"""Baselines: plain continued pretraining, and methods against forgetting. A plan is combined with one of them.

A baseline is a module of `tgl.train.baselines` with the attribute `BASELINE`, or an entry point "tgl.baselines" of
another package. The attribute is a class derived from `Baseline`. It changes training through four hooks: `prepare`,
`stream`, `regulariser` and `finish`. The modules import torch inside the hooks, because every command that reads a
configuration imports them for their settings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, ClassVar

from tgl.core.config_types import Section
from tgl.core.registry import Registry
from tgl.core.vocabulary import EMBEDDING

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel

    from tgl.models.settings import ModelConfig
    from tgl.models.sublayers import Sublayer
    from tgl.plans.names import PlanName
    from tgl.plans.plan import Plan
    from tgl.train.engines import Regulariser
    from tgl.train.run import Period
    from tgl.train.stream import Stream


class Start(Enum):
    """The model from which a period after the first starts.

    PREVIOUS: the model of the previous period. BASE: the base model without any training. BASE_AND_KEPT: the base
    model, to which `prepare` adds the parts that the previous period kept.
    """

    PREVIOUS = "previous"
    BASE = "base"
    BASE_AND_KEPT = "base and kept"


@dataclass(frozen=True)
class Prepared:
    """What a period trains.

    Attributes:
        module: The module that an engine runs: the model, or the model with adapters.
        units: Its sublayers with the trained parameters.
        trained: Names of the units that may change in any phase.
        groups: Sets requires_grad according to the plan of a phase, and returns the optimiser's groups.
    """

    module: nn.Module
    units: list[Sublayer]
    trained: set[str]
    groups: Callable[[Plan], list[dict]]

    def trained_parameters(self) -> list[nn.Parameter]:
        """Return the parameters of the units that may change."""
        units = [unit for unit in self.units if unit.name in self.trained]
        return [parameter for unit in units for parameter in unit.parameters.values()]


@dataclass(frozen=True)
class Feed:
    """The training text, and the number of optimiser steps on it."""

    stream: Stream
    num_steps: int


class Baseline:
    """Plain continued pretraining. Other baselines override the methods in which they differ.

    Attributes:
        Settings: The section of the configuration; None for a baseline without settings.
        varied: The key of its settings that a method's name can set, as in `full+replay.0.25`; None for no such key.
        start: The model from which a period after the first starts.
        by_matrix: Whether plans by matrix (`profile.unit: module`) are supported.
        partitions: Whether `train.zero_stage: 3` is supported, with which no process has whole weights.
        depends_on_passes: Whether the result depends on which rows of a batch pass through the model together.
        recomputes: Whether `train.checkpointing` is supported, which runs forward passes twice.
    """

    Settings: ClassVar[type[Section] | None] = None
    varied: ClassVar[str | None] = None
    start: Start = Start.PREVIOUS
    by_matrix: ClassVar[bool] = True
    partitions: ClassVar[bool] = True
    depends_on_passes: ClassVar[bool] = False
    recomputes: ClassVar[bool] = True

    def __init__(self, settings: Section | None = None) -> None:
        self.settings = settings

    def problems(
        self, plan: PlanName, *, embedding: str, model: ModelConfig, rates: Sequence[float]
    ) -> Iterator[str]:
        """Yield the reasons why the baseline refuses a plan, before anything is profiled.

        Args:
            plan: The parsed name of the plan.
            embedding: "frozen" or "trained".
            model: The configuration of the model.
            rates: The learning rates of the configuration.
        """
        yield from ()

    def check(self, plan: Plan, learning_rate: float) -> None:
        """Check that the baseline supports this plan and learning rate.

        Raises:
            TglError: It does not. The message gives the reason.
        """

    def prepare(self, period: Period) -> Prepared:
        """Return what the period trains. It may insert adapters into `period.model`."""
        from tgl.models.matrices import units_named
        from tgl.plans.apply import freeze, parameter_groups

        def groups(phase: Plan) -> list[dict]:
            freeze(period.model, phase)
            units = units_named(period.model, phase.multipliers)
            return parameter_groups(
                units, phase, period.learning_rate, weight_decay=period.settings.weight_decay
            )

        trained = period.plan.trained() | ({EMBEDDING} if period.plan.embedding > 0 else set())
        return Prepared(period.model, units_named(period.model, period.plan.multipliers), trained, groups)

    def stream(self, period: Period) -> Feed:
        """Return the training text."""
        return Feed(period.new_stream(), period.settings.steps)

    def regulariser(self, period: Period, prepared: Prepared) -> Regulariser | None:
        """Return the regulariser of each step, or None."""
        return None

    def finish(self, period: Period, prepared: Prepared) -> PreTrainedModel:
        """Return the trained model for scoring and saving, and write to `period.folder` what the next period needs."""
        return period.model


BASELINES = Registry("baseline", "baselines", "tgl.train.baselines", "BASELINE", Baseline, classes=True)


def make_baseline(name: str, settings: Section | None = None) -> Baseline:
    """Return a baseline.

    Args:
        name: Its name.
        settings: Its section of the configuration. None: the defaults.

    Raises:
        TglError: No baseline has this name.
    """
    kind = BASELINES.get(name)
    if settings is None and kind.Settings is not None:
        settings = kind.Settings()
    return kind(settings)
