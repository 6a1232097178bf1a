"""RecAdam (Chen et al. 2020, arXiv 2004.12651): Adam that recalls the weights it started from.

loss(t) = w(t) * task + (1 - w(t)) * gamma / 2 * |theta - theta0|^2 with w(t) = 1 / (1 + exp(-k * (t - t0))). The
penalty is decoupled, as in the paper: the task's gradient alone goes through Adam, whose step is scaled by w(t); then
theta moves by lr * (1 - w(t)) * gamma * (theta0 - theta). theta0 are the weights before the period. k and t0 are
usually given in steps of long runs; here they follow the length of the run.
"""

from __future__ import annotations

import math

import torch

from tgl.config_baselines import RecadamConfig
from tgl.errors import TglError
from tgl.plans.names import rate_text
from tgl.plans.plan import Plan
from tgl.train.baselines.plain import Period, Plain, phases
from tgl.train.engines import Regulariser


class Recall(Regulariser):
    """The pull towards the weights at the time it is made.

    steps: length of the run, in which the schedule is laid out.
    """

    def __init__(self, parameters: list[torch.nn.Parameter], steps: int, settings: RecadamConfig) -> None:
        self.anchors = {parameter: parameter.detach().clone() for parameter in parameters}
        self.strength = settings.strength
        self.midpoint = settings.midpoint_share * steps
        # From 0.12 to 0.88 the logistic function takes 4 / k steps.
        self.steepness = 4 / (settings.rise_share * steps)

    def task_weight(self, number: int) -> float:
        """See `Regulariser`."""
        # The logistic function by the hyperbolic tangent, which overflows for no steepness.
        return (1 + math.tanh(self.steepness * (number - self.midpoint) / 2)) / 2

    @torch.no_grad()
    def pull(self, groups: list[dict], number: int, factor: float) -> None:
        """See `Regulariser`."""
        for group in groups:
            rate = group["initial_lr"] * factor * (1 - self.task_weight(number)) * self.strength
            for parameter in group["params"]:
                parameter.lerp_(self.anchors[parameter], rate)


class Recadam(Plain):
    """Plain training with RecAdam as its optimiser."""

    settings: RecadamConfig

    def check(self, plan: Plan, learning_rate: float) -> None:
        """See `Plain`: the pull of one step must not overshoot its anchor."""
        largest = max([plan.embedding, *(value for phase in phases(plan) for value in phase.values())])
        if learning_rate * largest * self.settings.strength >= 1:
            raise TglError(
                f"recadam: learning rate {rate_text(learning_rate)} * largest multiplier {largest:g} * "
                f"baselines.recadam.strength {self.settings.strength:g} must stay "
                "below 1, or the pull overshoots; lower one of them"
            )

    def regulariser(self, period: Period) -> Regulariser:
        """See `Plain`."""
        return Recall(self.trained_parameters(period), self.num_steps(period), self.settings)
