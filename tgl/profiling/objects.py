"""A model object that somebody hands over, as it can be measured."""

from __future__ import annotations

import copy

import torch
from torch import nn
from transformers import PreTrainedModel

from tgl.errors import TglError
from tgl.fit import check_object
from tgl.sublayers import has_adapters, unwrapped


def measurable(model: nn.Module) -> PreTrainedModel:
    """Return the model to measure: the one inside a wrapper, and for bf16 and fp16 a copy in fp32.

    The object itself is never changed. Raises TglError for what is no causal language model of transformers, for models
    with adapters, quantised or sharded weights, and for weights that are not there (device meta).
    """
    network = unwrapped(model)
    if not isinstance(network, PreTrainedModel):
        raise TglError(
            f"profile: model: found {type(network).__name__}, expected a folder, a Hugging Face name or a causal "
            "language model of transformers"
        )
    if has_adapters(model):
        raise TglError(
            f"profile: found adapters in {type(model).__name__}, whose gradients would mix with the model's own; "
            "expected a model without. Merge them first (merge_and_unload), or profile the base model"
        )
    check_object(network)
    for name, parameter in network.named_parameters():
        if parameter.is_inference():
            raise TglError(
                f"profile: the parameter '{name}' was made inside torch.inference_mode, where nothing takes gradients; "
                "expected a model made outside. Use torch.no_grad instead"
            )
        if hasattr(parameter, "placements"):
            raise TglError(
                f"profile: the parameter '{name}' is sharded over devices; expected weights on one device. Load the "
                "model without sharding"
            )
    if all(torch.finfo(parameter.dtype).bits >= 32 for parameter in network.parameters()):
        return network
    try:
        copied = copy.deepcopy(network).float()
    except (RuntimeError, TypeError, ValueError) as error:
        raise TglError(
            f"profile: {type(network).__name__} in {network.dtype} cannot be copied to fp32 ({error}). Load it with "
            "dtype=torch.float32"
        ) from None
    copied.config.dtype = torch.float32
    return copied
