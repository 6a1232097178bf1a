"""The sum of the examples' gradients, for the norm of their mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence

import torch
from torch import nn

from tgl.models.quantised import is_quantised
from tgl.profiling.coverage import Coverage
from tgl.profiling.squares import sum_is_cheaper, wide


def one_gradient(one: torch.Tensor | None, other: torch.Tensor | None) -> torch.Tensor | None:
    """Return the sum of two gradients, each of which may be absent."""
    return one + other if one is not None and other is not None else other if one is None else one


def added(
    total: Sequence[torch.Tensor | None], gradients: Sequence[torch.Tensor | None]
) -> list[torch.Tensor | None]:
    """Add gradients to the total in place. Those without a total become it, as copies if they share their memory."""
    places = Counter(g.untyped_storage().data_ptr() for g in gradients if g is not None)
    found: list[torch.Tensor | None] = []
    for summed, gradient in zip(total, gradients, strict=True):
        if summed is not None and gradient is not None:
            summed.add_(gradient)
        elif summed is None and gradient is not None:
            storage, summed = gradient.untyped_storage(), wide(gradient)
            # Autograd can return one tensor for two parameters, or one number for a whole tensor.
            whole = storage.nbytes() == gradient.numel() * gradient.element_size()
            if summed is gradient and not (whole and places[storage.data_ptr()] == 1):
                summed = gradient.clone()
        found.append(summed)
    return found


def summed_by_hooks(
    coverage: Coverage, wanted: Collection[nn.Parameter], time_of: Callable[[nn.Module], int]
) -> frozenset[nn.Parameter]:
    """Return the weights of which the hooks add up the examples' gradients, which is cheaper than by autograd.

    A tied weight has gradients from two modules, and a repeated one from several calls; autograd adds these up. By a
    quantised weight, autograd cannot differentiate.
    """
    wanted = set(wanted)
    several = coverage.repeated | {module.weight for module in coverage.embeddings} | set(coverage.leftover)
    return frozenset(
        module.weight
        for module in coverage.modules["linear"]
        if module.weight in wanted
        and (
            is_quantised(module)
            or (module.weight not in several and sum_is_cheaper(time_of(module), *module.weight.shape))
        )
    )
