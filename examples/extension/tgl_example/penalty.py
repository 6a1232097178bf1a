"""The penalty of `l2_to_start`."""

import torch

from tgl.train.engines import Regulariser


class Distance(Regulariser):
    """The squared distance from the weights at the time this object is made."""

    def __init__(self, parameters: list[torch.nn.Parameter], strength: float) -> None:
        self.pairs = [(parameter, parameter.detach().clone()) for parameter in parameters]
        self.strength = strength

    def penalty(self) -> torch.Tensor:
        """Return what is added to the loss."""
        return self.strength / 2 * sum((now - start).square().sum() for now, start in self.pairs)
