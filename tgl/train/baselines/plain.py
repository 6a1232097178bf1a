"""Plain continued pretraining, and what a baseline may change of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn
from transformers import PreTrainedModel

from tgl.config import TrainConfig
from tgl.config_types import Section
from tgl.plans.plan import Plan
from tgl.sublayer_names import EMBEDDING
from tgl.sublayers import Sublayer, sublayers
from tgl.train.engines import Regulariser
from tgl.train.groups import freeze, parameter_groups
from tgl.train.stream import Stream, TokenStream


@dataclass
class Period:
    """What a baseline works on in one period.

    number: from 0. model: loaded, not yet changed. new, old: token streams [num_tokens] of the period's text, and
    of the base text and all earlier periods. learning_rate: at multiplier 1. seed: of this period's data order.
    previous: folder that the period before left, None for the first.
    """

    number: int
    model: PreTrainedModel
    plan: Plan
    new: np.ndarray
    old: np.ndarray
    end_token: int
    settings: TrainConfig
    block_size: int
    learning_rate: float
    seed: int
    previous: Path | None

    def new_stream(self) -> TokenStream:
        """Return the period's text in its data order."""
        return TokenStream(self.new, self.end_token, self.seed)

    def old_stream(self) -> TokenStream:
        """Return all older text in a data order of its own."""
        return TokenStream(self.old, self.end_token, self.seed + 500_000)


def phases(plan: Plan) -> list[dict[str, float]]:
    """Return the multipliers of each phase of a plan, however short the phase."""
    return [plan.multipliers, *(phase["multipliers"] for phase in plan.later)]


class Plain:
    """Continued pretraining on the new text alone. The other baselines derive from it."""

    def __init__(self, settings: Section | None = None) -> None:
        self.settings = settings

    def settings_json(self) -> str:
        """Return the baseline's own settings as JSON."""
        return self.settings.model_dump_json() if self.settings else ""

    def check(self, plan: Plan, learning_rate: float) -> None:
        """Raise TglError with the reason when the baseline cannot go with this plan or rate."""

    def starts_from_base(self, number: int) -> bool:
        """Tell whether period `number` starts from the base model instead of the period before."""
        return number == 0

    def begins_anew(self, number: int) -> bool:
        """Tell whether the model of period `number` knows nothing of the periods before."""
        return self.starts_from_base(number)

    def units(self, period: Period) -> list[Sublayer]:
        """Return the units of what `module` made, each parameter as it is trained."""
        return sublayers(period.model)

    def num_steps(self, period: Period) -> int:
        """Return the number of optimiser steps."""
        return period.settings.steps

    def stream(self, period: Period) -> Stream:
        """Return the text that is trained on."""
        return period.new_stream()

    def module(self, period: Period) -> nn.Module:
        """Return what is trained: the model, or the model with adapters."""
        return period.model

    def trained(self, plan: Plan) -> set[str]:
        """Return the names of the units that may change."""
        return plan.trained() | ({EMBEDDING} if plan.embedding > 0 else set())

    def trained_parameters(self, period: Period) -> list[nn.Parameter]:
        """Return the parameters of the units that may change, in whatever phase."""
        trained = self.trained(period.plan)
        units = [unit for unit in self.units(period) if unit.name in trained]
        return [parameter for unit in units for parameter in unit.parameters.values()]

    def groups(self, period: Period, phase: Plan) -> list[dict]:
        """Set requires_grad as the phase's plan says and return the optimiser's groups."""
        freeze(period.model, phase)
        return parameter_groups(
            sublayers(period.model), phase, period.learning_rate, period.settings.weight_decay
        )

    def regulariser(self, period: Period) -> Regulariser | None:
        """Return what is added to each step, or None."""
        return None

    def save(self, period: Period, folder: Path) -> None:
        """Leave in `folder` what the next period needs beside the model."""

    def finished(self, period: Period) -> PreTrainedModel:
        """Return the trained model as it is scored and written."""
        return period.model
