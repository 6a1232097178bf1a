"""Scores of MLP neurons by activation times gradient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch.nn import functional
from transformers import PreTrainedModel

from tgl.models.linear import Mlp
from tgl.models.mode import differentiating

# The least denominator, as a share of the layer's mean: a neuron that old text never uses has no infinite score.
FLOOR = 0.01


def attributions(
    model: PreTrainedModel, layers: Sequence[Mlp], sequences: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Return the mean over tokens of |activation * gradient of the loss| of each neuron, by sublayer.

    The product is the first-order change of the loss if the neuron's activation is set to zero. The loss of a sequence
    is the sum of the negative log-likelihoods of its tokens.

    Args:
        model: The language model. It does not change.
        layers: The MLPs.
        sequences: int64 [num_sequences, time].

    Returns:
        Tensors [num_neurons] in nats.
    """
    total = {mlp.unit: torch.zeros(mlp.num_neurons) for mlp in layers}
    device = next(model.parameters()).device
    seen: dict[str, torch.Tensor] = {}

    def watch(unit: str):
        def before(_, inputs):
            (hidden,) = inputs  # [1, time, num_neurons], or without the batch dimension
            seen[unit] = hidden

        return before

    handles = [mlp.down.module.register_forward_pre_hook(watch(mlp.unit)) for mlp in layers]
    try:
        # Weights before the first neurons make all neurons part of the graph.
        with differentiating(model, [linear.module.weight for linear in layers[0].before]):
            for sequence in sequences.to(device):
                logits = model(input_ids=sequence[None], use_cache=False).logits[0, :-1].float()
                loss = functional.cross_entropy(logits, sequence[1:], reduction="sum")
                hidden = [seen[mlp.unit] for mlp in layers]
                gradients = torch.autograd.grad(loss, hidden)
                for mlp, value, gradient in zip(layers, hidden, gradients, strict=True):
                    product = (value.detach() * gradient).abs().flatten(0, -2).sum(0)
                    total[mlp.unit] += product.float().cpu()
    finally:
        for handle in handles:
            handle.remove()
    count = sequences.shape[0] * (sequences.shape[1] - 1)
    return {unit: found / count for unit, found in total.items()}


def scores(new: Mapping[str, torch.Tensor], old: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return attribution on new text over attribution on old text, by sublayer; see `FLOOR`."""
    return {
        unit: found / old[unit].clamp(min=float(FLOOR * old[unit].mean()) or torch.finfo(found.dtype).tiny)
        for unit, found in new.items()
    }


def highest(values: Mapping[str, torch.Tensor], share: float) -> dict[str, torch.Tensor]:
    """Return masks of the neurons with the largest values over all sublayers together.

    Args:
        values: Tensors [num_neurons] by sublayer.
        share: The share of all neurons to choose, rounded, at least one neuron.
    """
    flat = torch.cat(list(values.values()))
    chosen = torch.zeros(len(flat), dtype=torch.bool)
    chosen[flat.argsort(descending=True, stable=True)[: max(1, round(share * len(flat)))]] = True
    parts = chosen.split([len(found) for found in values.values()])
    return dict(zip(values, parts, strict=True))


def lowest_alike(
    values: Mapping[str, torch.Tensor], like: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Return masks of as many neurons of each sublayer as in `like`, those with the smallest values."""
    found = {}
    for unit, mask in like.items():
        found[unit] = torch.zeros_like(mask)
        found[unit][values[unit].argsort(stable=True)[: int(mask.sum())]] = True
    return found
