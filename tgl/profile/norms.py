"""Per-example gradient norms, exact, one example at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional
from transformers import PreTrainedModel

from tgl.errors import TglError
from tgl.evaluate.spans import SpanTokens
from tgl.sublayers import Sublayer


@dataclass(frozen=True)
class GroupNorms:
    """Norms of one group of examples.

    each: L2 norm of the gradient of each example's loss, [num_examples, num_units].
    of_mean: norm of the gradient of the mean of those losses, [num_units].
    num_tokens: target tokens of each example, [num_examples].
    """

    each: np.ndarray
    of_mean: np.ndarray
    num_tokens: np.ndarray


def gradient_norms(
    model: PreTrainedModel, units: Sequence[Sublayer], examples: Sequence[SpanTokens]
) -> GroupNorms:
    """Return the gradient norms of `examples` over all parameters of each unit.

    The loss of an example is the mean negative log-likelihood (nats) of its target tokens given all tokens to
    their left; a window of plain text is an example whose targets are all its tokens but the first. Raises
    TglError for an empty group and for a norm that is not finite, naming the example and the unit.
    """
    if not examples:
        raise TglError("gradient norms: the group holds no example")
    model.eval()
    parameters = [parameter for unit in units for parameter in unit.parameters.values()]
    total = [torch.zeros_like(parameter, dtype=torch.float64) for parameter in parameters]
    each = np.zeros((len(examples), len(units)))
    device = parameters[0].device
    for number, example in enumerate(examples):
        tokens = torch.tensor([example.ids], device=device)
        logits = model(input_ids=tokens).logits[0, example.first - 1 : -1]  # [targets, vocabulary]
        loss = functional.cross_entropy(logits, tokens[0, example.first :])
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
        squares = []
        for summed, gradient in zip(total, gradients, strict=True):
            if gradient is None:  # a parameter the loss does not depend on
                squares.append(0.0)
                continue
            summed += gradient
            squares.append(gradient.double().square().sum().item())
        each[number] = _by_unit(units, squares)
        if not np.isfinite(each[number]).all():
            bad = [unit.name for unit, norm in zip(units, each[number], strict=True) if not np.isfinite(norm)]
            raise TglError(f"gradient norms: example {number} has a norm that is not finite in {bad}")
    mean_squares = [(summed / len(examples)).square().sum().item() for summed in total]
    return GroupNorms(
        each=each,
        of_mean=_by_unit(units, mean_squares),
        num_tokens=np.array([example.num_targets for example in examples]),
    )


def _by_unit(units: Sequence[Sublayer], squares: list[float]) -> np.ndarray:
    norms, position = np.zeros(len(units)), 0
    for number, unit in enumerate(units):
        count = len(unit.parameters)
        norms[number] = sum(squares[position : position + count]) ** 0.5
        position += count
    return norms
