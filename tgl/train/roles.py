"""Which parameters weight decay acts on: decided by what a parameter does, not by how many dimensions it has.

Decay acts on what multiplies activations or is looked up: weights of linear maps, convolution kernels, matrices of
recurrent networks, embeddings of tokens and positions. It does not act on norms, biases, and state parameters, whose
zero means nothing in particular: Mamba's A_log, D and dt_bias, RWKV's time_decay, time_first and time_mix_*.
"""

from __future__ import annotations

import re

from torch import nn
from torch.nn.modules.conv import _ConvNd
from transformers.pytorch_utils import Conv1D

_WEIGHTED = (nn.Linear, nn.Bilinear, nn.Embedding, nn.EmbeddingBag, _ConvNd, nn.RNNBase, Conv1D)
# Parameters of modules of any other kind: in_proj_weight, gate_up_proj of experts, peft's adapters that are no modules.
_WEIGHT_NAME = re.compile(r"(^|_)weight(_|$)|proj$|^lora_(embedding_)?[AB]$|^(hada|lokr)_w")


def decays(name: str, parameter: nn.Parameter, owner: nn.Module) -> bool:
    """Tell whether weight decay acts on a parameter.

    name: its full name. owner: the module that holds it. A parameter marked `_no_weight_decay`, as the authors of
    state-space models do, takes none.
    """
    *path, last = name.split(".")
    if isinstance(owner, nn.ParameterDict | nn.ParameterList):  # its keys say nothing
        last = path[-1]
    if getattr(parameter, "_no_weight_decay", False) or "lora_magnitude_vector" in path:
        return False
    if isinstance(owner, _WEIGHTED):
        return last.startswith("weight")
    if "norm" in type(owner).__name__.lower():
        return False
    return _WEIGHT_NAME.search(last) is not None
