"""Elastic weight consolidation (Kirkpatrick et al. 2017, arXiv 1612.00796): weights that mattered move less.

loss = task + lambda / 2 * sum_i F_i * (theta_i - theta0_i)^2. theta0 are the weights before the period; F is the
diagonal of the Fisher information of the model on old text, a token:

    F_i = 1 / (N T) * sum_n (d/d theta_i sum_t log p(y_nt | x_n,<t))^2

over N sequences x_n of T predicted tokens, with labels y_nt drawn from the model's own distribution (with the labels of
the text instead it would be the "empirical" Fisher, which is another quantity: Kunstner et al. 2019). Drawn labels make
the tokens' gradients independent with mean zero, so that the square of their sum is, on average, the sum of squares.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from tgl.config_baselines import EwcConfig
from tgl.profiling.mode import differentiating
from tgl.train.baselines.plain import Period, Plain
from tgl.train.engines import Regulariser


def fisher_diagonal(
    model: nn.Module, parameters: list[nn.Parameter], sequences: torch.Tensor, seed: int
) -> list[torch.Tensor]:
    """Return the diagonal Fisher information a token of each parameter, shaped as it is.

    sequences: int64 [num_sequences, time]; time - 1 tokens of each are predicted. seed: of the drawn labels. Dropout is
    off; the model is left as it was.
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
                if gradient is not None:  # the loss does not depend on it, its information is zero
                    total += gradient.square()
    count = len(sequences) * (sequences.shape[1] - 1)
    return [total / count for total in found]


class Consolidation(Regulariser):
    """The quadratic penalty around the weights at the time it is made."""

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


class Ewc(Plain):
    """Plain training with the penalty, on the parameters that the plan ever trains."""

    settings: EwcConfig

    def regulariser(self, period: Period) -> Regulariser:
        """See `Plain`."""
        parameters = self.trained_parameters(period)
        stream = period.old_stream()
        sequences = torch.from_numpy(stream.batch(0, self.settings.sequences, period.block_size))
        fisher = fisher_diagonal(period.model, parameters, sequences, period.seed)
        return Consolidation(parameters, fisher, self.settings.strength)
