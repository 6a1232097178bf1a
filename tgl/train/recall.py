"""RecAdam's pull towards the weights at the start of training."""

from __future__ import annotations

import math

import torch

from tgl.train.engines import Regulariser


class Recall(Regulariser):
    """A pull towards the weights at the time of construction.

    Args:
        parameters: The parameters.
        num_steps: Number of steps of the run; the schedule spans all of them.
        settings: The baseline's section of the configuration.
    """

    def __init__(self, parameters: list[torch.nn.Parameter], num_steps: int, settings) -> None:
        self.anchors = {parameter: parameter.detach().clone() for parameter in parameters}
        self.strength = settings.strength
        self.midpoint = settings.midpoint_share * num_steps
        # The logistic function rises from 0.12 to 0.88 within 4 / k steps.
        self.steepness = 4 / (settings.rise_share * num_steps)

    def task_weight(self, number: int) -> float:
        """See `Regulariser`."""
        # The hyperbolic tangent computes the logistic function without overflow for any steepness.
        return (1 + math.tanh(self.steepness * (number - self.midpoint) / 2)) / 2

    @torch.no_grad()
    def pull(self, groups: list[dict], number: int, factor: float) -> None:
        """See `Regulariser`.

        The task's weight scales the rate of AdamW and with it the weight decay. In the authors' code it scales only the
        task's step, so the rest of the decay follows here.
        """
        for group in groups:
            rest = group["initial_lr"] * factor * (1 - self.task_weight(number))
            for parameter in group["params"]:
                parameter.mul_(1 - rest * group["weight_decay"])
                parameter.lerp_(self.anchors[parameter], rest * self.strength)
