"""The penalty of elastic weight consolidation, computed from the Fisher information."""

from __future__ import annotations

import torch
from torch import nn

from tgl.train.engines import Regulariser


class Consolidation(Regulariser):
    """A quadratic penalty around the weights at the time of construction.

    Args:
        parameters: The parameters.
        fisher: Their diagonal Fisher information.
        strength: The factor of the penalty.
    """

    def __init__(self, parameters: list[nn.Parameter], fisher: list[torch.Tensor], strength: float) -> None:
        self.parameters, self.fisher, self.strength = parameters, fisher, strength
        self.anchors = [parameter.detach().clone() for parameter in parameters]

    def penalty(self) -> torch.Tensor:
        """See `Regulariser`."""
        terms = [
            (fisher * (parameter - anchor).square()).sum()
            for parameter, fisher, anchor in zip(self.parameters, self.fisher, self.anchors, strict=True)
        ]
        return self.strength / 2 * torch.stack(terms).sum()
