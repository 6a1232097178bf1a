"""The loss of single examples and its gradient, without autograd through the logarithm of the softmax."""

from __future__ import annotations

import torch
from torch.nn import functional

from tgl.profiling.squares import wide

NO_TARGET = -100


@torch.no_grad()
def target_losses(logits: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the mean negative log-likelihood of each example's targets, and the gradient of their sum.

    The gradient at a target is (softmax(logits) - one_hot(target)) / number of the example's targets. It overwrites the
    logarithm of the softmax, so it needs one tensor of the size of the logits where autograd needs two.

    Args:
        logits: Logits [batch, targets, vocabulary].
        targets: Ids [batch, targets]; NO_TARGET after the last of an example.

    Returns:
        Losses in nats per token [batch], and the gradient by `logits` of the sum of the losses.
    """
    logs = functional.log_softmax(wide(logits.detach()), dim=-1)
    targets = targets.to(logs.device)
    there = targets != NO_TARGET
    picked = targets.masked_fill(~there, 0)[:, :, None]
    counts = there.sum(1)
    losses = -logs.gather(2, picked)[:, :, 0].masked_fill(~there, 0.0).sum(1) / counts
    gradient = logs.exp_()
    gradient.scatter_add_(2, picked, gradient.new_full((1, 1, 1), -1.0).expand_as(picked))
    gradient.mul_((there.to(gradient.dtype) / counts[:, None])[:, :, None])
    return losses, gradient.to(logits.dtype)
