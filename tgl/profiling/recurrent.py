"""Per-example gradients of a GRU: linear maps over the positions, run step by step.

A GRU multiplies its inputs and its former states by one matrix each. The gradient of such a matrix is that of a linear
map over all positions, as soon as inputs, states and the gradients of the products are known.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from tgl.profiling import squares

Add = Callable[[nn.Parameter, torch.Tensor], None]


def is_gru(module: nn.Module) -> bool:
    """Return whether a module is a GRU of one layer and one direction over [batch, time, size]."""
    return (
        type(module) is nn.GRU and module.num_layers == 1 and not module.bidirectional and module.batch_first
    )


def gru_forward(
    module: nn.GRU, anchor: torch.Tensor, add: Add
) -> Callable[..., tuple[torch.Tensor, torch.Tensor]]:
    """Return a forward pass of a GRU that adds the squared norms of each example during the backward pass.

    Args:
        module: The GRU.
        anchor: A scalar that requires gradients. It makes the backward pass reach the first step of frozen weights.
        add: Called with a parameter and squared norms [batch].
    """

    def forward(inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        batch, time, _ = inputs.shape
        shape = (batch, time, 3 * module.hidden_size)
        # Zeros that are added to the products [batch, time, gates], to get their gradients.
        to_inputs, to_states = ((anchor * 0).to(inputs).expand(shape) for _ in range(2))
        from_inputs = functional.linear(inputs, module.weight_ih_l0, _bias(module, "bias_ih_l0")) + to_inputs
        state = inputs.new_zeros(batch, module.hidden_size)
        before, states = [], []
        for step, zeros in zip(from_inputs.unbind(1), to_states.unbind(1), strict=True):
            before.append(state)
            product = functional.linear(state, module.weight_hh_l0, _bias(module, "bias_hh_l0")) + zeros
            reset, update, new = step.chunk(3, -1)
            own_reset, own_update, own_new = product.chunk(3, -1)
            update = torch.sigmoid(update + own_update)
            new = torch.tanh(new + torch.sigmoid(reset + own_reset) * own_new)
            state = new + update * (state - new)
            states.append(state)
        for tensor, seen, kind in ((to_inputs, inputs, "ih"), (to_states, torch.stack(before, 1), "hh")):
            if tensor.requires_grad:
                tensor.register_hook(_back(module, kind, seen.detach(), add=add))
        return torch.stack(states, 1), state[None]

    return forward


def _bias(module: nn.GRU, name: str) -> torch.Tensor | None:
    return getattr(module, name) if module.bias else None


def _back(module: nn.GRU, kind: str, seen: torch.Tensor, *, add: Add) -> Callable[[torch.Tensor], None]:
    def back(gradients: torch.Tensor) -> None:
        add(getattr(module, f"weight_{kind}_l0"), squares.linear_squares(seen, gradients))
        if module.bias:
            add(getattr(module, f"bias_{kind}_l0"), squares.bias_squares(gradients))

    return back
