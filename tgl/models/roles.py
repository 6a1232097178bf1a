"""Decide which parameters get weight decay, by the role of a parameter and not by its number of dimensions.

Decay acts on weights of linear maps, convolution kernels, matrices of recurrent networks, and embeddings of tokens
and positions. It does not act on norms, biases and state parameters, for which zero has no special meaning: Mamba's
A_log, D and dt_bias, RWKV's time_decay, time_first and time_mix_*.
"""

from __future__ import annotations

import re

from torch import nn
from torch.nn.modules.conv import _ConvNd
from transformers.pytorch_utils import Conv1D

_WEIGHTED = (nn.Linear, nn.Bilinear, nn.Embedding, nn.EmbeddingBag, _ConvNd, nn.RNNBase, Conv1D)
# Parameters of other modules: in_proj_weight, gate_up_proj of experts, peft adapters that are not modules.
_WEIGHT_NAME = re.compile(r"(^|_)weight(_|$)|proj$|^lora_(embedding_)?[AB]$|^(hada|lokr)_w")


def role(name: str, parameter: nn.Parameter, owner: nn.Module) -> str:
    """Return the role of a parameter, by which some optimisers treat it differently.

    Args:
        name: Full name of the parameter.
        parameter: The parameter.
        owner: The module that holds it.

    Returns:
        `embedding`: of tokens or positions, also if tied to the output head, and an output head named lm_head or
        embed_out; `matrix`: another weight of two dimensions, which Muon orthogonalises; `other`: norms, biases,
        convolutions, states, and stacks of experts.
    """
    path = name.rpartition(".")[0].rpartition(".")[2]
    if isinstance(owner, nn.Embedding | nn.EmbeddingBag) or path in ("lm_head", "embed_out", "head"):
        return "embedding" if parameter.dim() == 2 else "other"
    return "matrix" if parameter.dim() == 2 and decays(name, parameter, owner) else "other"


def decays(name: str, parameter: nn.Parameter, owner: nn.Module) -> bool:
    """Return whether weight decay acts on a parameter.

    Parameters with the mark `_no_weight_decay`, which authors of state-space models set, get no decay.

    Args:
        name: Full name of the parameter.
        parameter: The parameter.
        owner: The module that holds it.
    """
    *path, last = name.split(".")
    if isinstance(owner, nn.ParameterDict | nn.ParameterList):  # Its keys do not describe the role.
        last = path[-1]
    if getattr(parameter, "_no_weight_decay", False) or "lora_magnitude_vector" in path:
        return False
    if isinstance(owner, _WEIGHTED):
        return last.startswith("weight")
    if "norm" in type(owner).__name__.lower():
        return False
    return _WEIGHT_NAME.search(last) is not None
