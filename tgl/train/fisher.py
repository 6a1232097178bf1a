"""The Fisher information of a model, and the penalty of elastic weight consolidation computed from it."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from tgl.models.mode import differentiating
from tgl.train.engines import Regulariser


def fisher_diagonal(
    model: nn.Module, parameters: list[nn.Parameter], sequences: torch.Tensor, *, seed: int
) -> list[torch.Tensor]:
    """Return the diagonal Fisher information per token of each parameter.

    The labels are drawn from the model's predictions. Dropout is off. The model does not change.

    Args:
        model: The language model.
        parameters: The parameters to differentiate.
        sequences: int64 [num_sequences, time]; time - 1 tokens of each sequence are predicted.
        seed: Seed of the drawn labels.

    Returns:
        One tensor for each parameter, with its shape.
    """
    generator = torch.Generator().manual_seed(seed)
    found = [torch.zeros_like(parameter) for parameter in parameters]
    device = parameters[0].device
    with differentiating(model, parameters):
        for sequence in sequences:
            logits = model(input_ids=sequence[None].to(device), use_cache=False).logits[0, :-1].float()
            probabilities = logits.detach().softmax(-1).cpu()  # [time - 1, vocabulary]
            labels = torch.multinomial(probabilities, 1, generator=generator)[:, 0].to(device)
            loss = functional.cross_entropy(logits, labels, reduction="sum")
            gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
            for total, gradient in zip(found, gradients, strict=True):
                if gradient is not None:  # Without a gradient the information is zero.
                    total += gradient.square()
    count = len(sequences) * (sequences.shape[1] - 1)
    return [total / count for total in found]


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
