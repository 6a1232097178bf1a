"""Linear maps whose weights are quantised by bitsandbytes: their shapes, and gradients by their weights.

Such a map multiplies by the dequantised weight. transformers gives the gradients of its inputs and outputs, from which
the gradient by the dequantised weight follows as for any linear map. The weight itself cannot be trained.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import nn
from torch.nn import functional

_CLASSES = {"Linear4bit", "Linear8bitLt"}


def is_quantised(module: nn.Module) -> bool:
    """Return whether a module is a linear map with a quantised weight [outputs, inputs]."""
    # By name, because bitsandbytes need not be installed.
    return any(
        kind.__name__ in _CLASSES and kind.__module__.startswith("bitsandbytes.")
        for kind in type(module).__mro__
    )


def has_quantised(model: nn.Module) -> bool:
    """Return whether a model has a linear map with a quantised weight."""
    return any(is_quantised(module) for module in model.modules())


def num_scalars(parameter: nn.Parameter, owner: nn.Module | None) -> int:
    """Return the number of scalars of a parameter, dequantised; a byte of a 4-bit weight holds two.

    Args:
        parameter: The parameter.
        owner: The module that it belongs to, if known.
    """
    if owner is not None and is_quantised(owner) and parameter is owner.weight:
        return owner.in_features * owner.out_features
    return parameter.numel()


def num_parameters(model: nn.Module) -> int:
    """Return the number of scalar parameters of a model, dequantised; a shared one counts once."""
    owners = {
        parameter: module for module in model.modules() for parameter in module.parameters(recurse=False)
    }
    return sum(num_scalars(parameter, owner) for parameter, owner in owners.items())


def unpack(modules: Iterable[nn.Module]) -> None:
    """Undo the packing of quantised weights for a CPU, in place. Packed weights have no gradients."""
    for module in modules:
        if is_quantised(module) and getattr(
            getattr(module.weight, "quant_state", None), "packing_format_for_cpu", False
        ):
            module.state_dict()  # In which bitsandbytes undoes it.


@contextmanager
def differences(modules: Iterable[nn.Module]) -> Iterator[dict[nn.Parameter, torch.Tensor]]:
    """Add a difference of zero to the dequantised weights of quantised maps in the block.

    Autograd's gradient by a difference is that by the dequantised weight.

    Args:
        modules: The modules; those with weights in floating point are left as they are.

    Yields:
        The differences [outputs, inputs] by weight, in fp32.
    """
    found: dict[nn.Parameter, torch.Tensor] = {}
    with ExitStack() as stack:
        for module in modules:
            if is_quantised(module):
                shape = (module.out_features, module.in_features)
                found[module.weight] = torch.zeros(shape, device=module.weight.device, requires_grad=True)
                stack.callback(module.register_forward_hook(_adding(found[module.weight])).remove)
        yield found


def _adding(difference: torch.Tensor) -> object:
    def hook(module: nn.Module, inputs: tuple, output: torch.Tensor) -> torch.Tensor:
        return output + functional.linear(inputs[0].to(difference.dtype), difference).to(output.dtype)

    return hook
