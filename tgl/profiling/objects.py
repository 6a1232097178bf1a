"""Prepare a model object of the caller for measurement."""

from __future__ import annotations

import copy

import torch
from torch import nn
from transformers import PreTrainedModel

from tgl.core.errors import TglError
from tgl.models.fit import check_object
from tgl.models.model_config import check_causal
from tgl.models.quantised import has_quantised
from tgl.models.sublayers import unwrapped


def measurable(model: nn.Module, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """Return the model to measure: the model inside a wrapper, or a copy of it in another type.

    The given object does not change.

    Args:
        model: The model, or a wrapper around it.
        dtype: float32 keeps single and double precision, and copies bf16 and fp16. bfloat16 copies all other types. A
            model with quantised weights keeps its types.

    Raises:
        TglError: The object is not a causal language model of transformers, has weights that are sharded or
            quantised otherwise than by bitsandbytes, or has no weights in memory (device meta).
    """
    network = unwrapped(model)
    if not isinstance(network, PreTrainedModel):
        raise TglError(
            f"profile: model: found {type(network).__name__}, expected a folder, a Hugging Face name or a causal "
            "language model of transformers. Load it with tgl.load_model"
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
    if has_quantised(network):
        return network  # transformers cannot convert it; the sums are in fp32 all the same.
    types = {parameter.dtype for parameter in network.parameters()}
    if types == {dtype} or (dtype == torch.float32 and all(torch.finfo(own).bits >= 32 for own in types)):
        return network
    try:
        copied = copy.deepcopy(network)
        if dtype == torch.float32:
            copied.float()
        else:  # What a checkpoint holds. Tables of rotary angles keep their precision, as in a loaded model.
            for tensor in copied.state_dict(keep_vars=True).values():
                if tensor.is_floating_point():
                    tensor.data = tensor.data.to(dtype)
    except (RuntimeError, TypeError, ValueError) as error:
        raise TglError(
            f"profile: {type(network).__name__} in {network.dtype} cannot be copied to {dtype} ({error}). Load it "
            f"with dtype={dtype}"
        ) from None
    copied.config.dtype = dtype
    return copied
