"""Per-example gradients of experts whose weights are stacked in parameters of three dimensions.

The experts of transformers have the weights [experts, out, in] of two maps with an activation between them, and get the
tokens of all examples in one list with the numbers of the chosen experts. Here the tokens are sorted by expert and
example. Those of one expert and one example are a segment, and the gradient of an expert's weight for an example is
that of a linear map over the segment.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from tgl.profiling import squares

Add = Callable[[nn.Parameter, torch.Tensor], None]
_ATTRIBUTES = ("has_gate", "has_bias", "is_transposed", "num_experts", "down_proj")


def is_experts(module: nn.Module) -> bool:
    """Return whether a module has the stacked experts of transformers."""
    return all(hasattr(module, name) for name in _ATTRIBUTES) and not getattr(
        module, "has_post_expert_norm", False
    )


def experts_forward(module: nn.Module, batch: int, add: Add) -> Callable[..., torch.Tensor]:
    """Return a forward pass of the experts that adds the squared norms of each example during the backward pass.

    Args:
        module: The experts.
        batch: Number of examples.
        add: Called with a parameter and squared norms [batch].
    """

    def forward(hidden: torch.Tensor, chosen: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        tokens = hidden.reshape(-1, hidden.shape[-1])  # [tokens, hidden], those of an example side by side
        chosen, weights = chosen.reshape(len(tokens), -1), weights.reshape(len(tokens), -1)
        num_chosen = chosen.shape[1]
        experts = chosen.reshape(-1)
        token = torch.arange(len(tokens), device=tokens.device).repeat_interleave(num_chosen)
        example = token // (len(tokens) // batch)
        keys, order = (experts * batch + example).sort(stable=True)
        token = token[order]
        # A token can be sent to numbers above those of the experts, which stand for no expert.
        used = int((keys < module.num_experts * batch).sum())
        keys, order, token = keys[:used], order[:used], token[:used]
        inputs = tokens[token]
        name = "gate_up_proj" if module.has_gate else "up_proj"
        inner = _maps(module, name, inputs, keys=keys, batch=batch, add=add)
        inner = module._apply_gate(inner) if module.has_gate else module.act_fn(inner)
        outputs = _maps(module, "down_proj", inner, keys=keys, batch=batch, add=add)
        outputs = outputs * weights.reshape(-1)[order][:, None].to(outputs.dtype)
        found = torch.zeros_like(tokens).index_add(0, token, outputs.to(tokens.dtype))
        return found.view(hidden.shape)

    return forward


def _maps(
    module: nn.Module, name: str, inputs: torch.Tensor, *, keys: torch.Tensor, batch: int, add: Add
) -> torch.Tensor:
    """Return the outputs of a map of the experts for tokens that are sorted by `keys` = expert * batch + example."""
    weight = getattr(module, name)
    bias = getattr(module, f"{name}_bias") if module.has_bias else None
    counts = torch.bincount(keys // batch, minlength=weight.shape[0]).tolist()
    parts = []
    for number, own in enumerate(inputs.split(counts)):
        if not len(own):
            continue
        matrix = weight[number] if module.is_transposed else weight[number].mT  # [in, out]
        parts.append(own @ matrix if bias is None else own @ matrix + bias[number])
    outputs = torch.cat(parts)
    seen = inputs.detach()

    def back(gradients: torch.Tensor) -> None:
        segments, place, sizes = keys.unique_consecutive(return_inverse=True, return_counts=True)
        starts = sizes.cumsum(0) - sizes
        within = torch.arange(len(keys), device=keys.device) - starts[place]
        shape = (len(segments), int(sizes.max()))
        padded_in = seen.new_zeros(*shape, seen.shape[1])
        padded_out = gradients.new_zeros(*shape, gradients.shape[1])
        padded_in[place, within], padded_out[place, within] = seen, gradients
        example = segments % batch

        def by_example(values: torch.Tensor) -> torch.Tensor:
            return values.new_zeros(batch).index_add(0, example, values)

        add(weight, by_example(squares.linear_squares(padded_in, padded_out)))
        if bias is not None:
            add(bias, by_example(squares.bias_squares(padded_out)))

    if outputs.requires_grad:
        outputs.register_hook(back)
    return outputs
