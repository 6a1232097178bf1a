"""Weights of tokens in the training loss, by excess loss or at random. Pure functions and their regularisers.

The excess loss of a token is its negative log-likelihood less the entropy of the model's prediction, in nats. Under the
model's own distribution it is 0 on average, so a large one marks a token that contradicts what the model believes.
(Rho-1, Lin et al. 2024, arXiv 2404.07965, subtracts the loss of a second model instead.)
"""

from __future__ import annotations

import torch

from tgl.train.engines import Regulariser


def excess_losses(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the excess loss of each token (nats).

    Args:
        logits: [batch, time, vocabulary].
        targets: int64 [batch, time].

    Returns:
        [batch, time].
    """
    logs = logits.log_softmax(-1)
    entropy = torch.special.entr(logs.exp()).sum(-1)
    return -logs.gather(-1, targets[..., None])[..., 0] - entropy


def weights_of_highest(values: torch.Tensor, share: float, factor: float) -> torch.Tensor:
    """Return weights with mean 1 in each row; those of the highest values are `factor` times the others.

    The choice is within each row, so it does not depend on how a batch is divided among passes and processes.

    Args:
        values: [batch, time].
        share: Share of the tokens of a row that are chosen, rounded, at least one.
        factor: The factor.
    """
    size = values.shape[1]
    chosen = values.topk(max(1, round(share * size)), dim=1).indices
    weights = torch.ones_like(values).scatter_(1, chosen, factor)
    return weights * (size / weights.sum(1, keepdim=True))


class ExcessWeights(Regulariser):
    """Weight the tokens with the highest excess loss.

    Args:
        share: Share of the tokens of a row.
        factor: Their weight over that of the others.
    """

    def __init__(self, share: float, factor: float) -> None:
        self.share, self.factor = share, factor

    def token_weights(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """See `Regulariser`."""
        return weights_of_highest(self.values(logits, targets), self.share, self.factor)

    def values(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the values that rank the tokens, [batch, time]."""
        return excess_losses(logits, targets)


class RandomWeights(ExcessWeights):
    """Weight as many random tokens. An engine seeds each step, so a resumed run draws the same tokens."""

    def values(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """See `ExcessWeights`."""
        return torch.rand(targets.shape, device=logits.device)
