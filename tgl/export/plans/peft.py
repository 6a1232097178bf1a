"""Plans for peft: a LoraConfig with adapters on the linear layers of the trained sublayers."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from torch import nn
from transformers.pytorch_utils import Conv1D

from tgl.core.errors import TglError
from tgl.export.plans.parameters import Export, check_same, pattern, trained
from tgl.models.sublayers import Sublayer
from tgl.plans.plan import Plan

# peft refuses these layers in models with Mamba's mixer, whose kernels read the weights directly.
_MAMBA = {"falcon_h1", "mamba", "mamba2", "falcon_mamba", "nemotron_h"}
_REFUSED_IN_MAMBA = {"out_proj", "conv1d"}


def peft_lora(plan: Plan, units: Sequence[Sublayer], model: nn.Module) -> Export:
    """Return a LoraConfig as the content of `adapter_config.json`.

    Rank and alpha are those of `tgl.train.lora`. Unlike there, all linear layers of the trained sublayers have
    adapters, and those of a fused projection also adapt the key.

    Args:
        plan: The plan, without phases.
        units: The model's units.
        model: The model, which may be on the device `meta`.

    Raises:
        TglError: The plan has multipliers other than 0 and 1, or trains the embedding, or a sublayer without a linear
            layer that peft can adapt.
    """
    from tgl.train.lora import adapter_config  # peft is an optional package.

    trained(plan, units, "peft")
    if plan.embedding > 0:
        raise TglError(
            f"plan '{plan.method}': LoRA adapts the linear layers of blocks; found embedding: {plan.embedding:g}, "
            'expected 0. Write "embedding": 0.0 in the plan'
        )
    kind = getattr(getattr(model, "config", None), "model_type", "")
    refused = _REFUSED_IN_MAMBA if kind in _MAMBA else set()
    chosen: list[str] = []
    left_out: list[str] = []
    for unit in units:
        if plan.of(unit.name) == 0:
            continue
        owners = {name.rpartition(".")[0]: owner for name, owner in unit.owners.items()}
        own = [
            name
            for name, owner in owners.items()
            if isinstance(owner, nn.Linear | Conv1D) and name.rpartition(".")[2] not in refused
        ]
        if not own:
            raise TglError(
                f"plan '{plan.method}': peft finds no linear layer to adapt in the trained sublayer '{unit.name}', "
                f"found {', '.join(owners)}. Freeze it in the plan, or use another format"
            )
        chosen += own
        left_out += [
            name
            for name, parameter in unit.parameters.items()
            if parameter.ndim > 1 and name.rpartition(".")[0] not in own
        ]
    target = pattern(chosen)
    matched = {name for name, _ in model.named_modules() if re.fullmatch(target, name)}
    check_same(plan, "peft", matched, expected=chosen)
    config = adapter_config(model, chosen)
    config.target_modules = target
    with tempfile.TemporaryDirectory() as folder:
        config.save_pretrained(folder)
        text = (Path(folder) / "adapter_config.json").read_text(encoding="utf-8")
    if not left_out:
        return Export(text.rstrip() + "\n")
    note = f"{len(left_out)} weights of trained sublayers have no adapter, such as {left_out[0]}: peft adapts linear"
    return Export(text.rstrip() + "\n", (f"{note} layers, and refuses some of Mamba's.",))
