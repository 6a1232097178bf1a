"""The diagonal of a model's Fisher information."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from tgl.models.mode import differentiating


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
