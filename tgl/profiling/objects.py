"""Prepare a model object of the caller for measurement."""

from __future__ import annotations

import copy

import torch
from torch import nn
from transformers import PreTrainedModel

from tgl.core.errors import TglError
from tgl.models.fit import check_object
from tgl.models.model_config import check_causal
from tgl.models.sublayers import has_adapters, unwrapped


def measurable(model: nn.Module) -> PreTrainedModel:
    """Return the model to measure: the model inside a wrapper, and for bf16 and fp16 a copy in fp32.

    The given object does not change.

    Raises:
        TglError: The object is not a causal language model of transformers, has adapters, has quantised or sharded
            weights, or has no weights in memory (device meta).
    """
    network = unwrapped(model)
    if not isinstance(network, PreTrainedModel):
        raise TglError(
            f"profile: model: found {type(network).__name__}, expected a folder, a Hugging Face name or a causal "
            "language model of transformers. Load it with tgl.load_model"
        )
    if has_adapters(model):
        raise TglError(
            f"profile: found adapters in {type(model).__name__}, whose gradients would mix with the model's own; "
            "expected a model without adapters. Merge them first (merge_and_unload), or profile the base model"
        )
    check_object(network)
    if not any(parameter.is_meta for parameter in network.parameters()):
        check_causal(network, type(network).__name__)
    for name, parameter in network.named_parameters():
        if parameter.is_inference():
            raise TglError(
                f"profile: the parameter '{name}' was created in torch.inference_mode, which disables gradients; "
                "expected a model created outside. Use torch.no_grad instead"
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
