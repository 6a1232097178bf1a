"""LoRA (Hu et al. 2021, arXiv 2106.09685) through peft: low-rank adapters of the query and value projections.

An adapter adds alpha / rank * B A x to a projection's output. The plan determines which attention sublayers get
adapters. Its multipliers scale the learning rates of the adapters, or their ranks. If query, key and value are fused in
one matrix (GPT-2's c_attn), the adapter has rank 2r: the first r directions write only to the query rows, the last r
only to the value rows. This equals two separate adapters of rank r. The key is never adapted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from torch import nn
from torch.nn import functional
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from tgl.core.errors import TglError
from tgl.models.sublayers import Sublayer, has_adapters, sublayers
from tgl.plans.apply import check_fit
from tgl.plans.plan import Plan

_SEPARATE = ("q_proj", "v_proj")
_FUSED = ("c_attn", "query_key_value", "qkv_proj")


def lora_config(
    plan: Plan, model: nn.Module, rank: int = 4, *, alpha: float = 16, multipliers: str = "rates"
) -> LoraConfig:
    """Return a peft configuration with adapters on query and value of the attention sublayers that the plan trains.

    A fused projection gets twice the rank and alpha. peft alone would also adapt its key; `with_lora` restricts the
    adapter to query and value.

    Args:
        plan: The plan.
        model: The model without adapters.
        rank: Rank of an adapter, at least 1.
        alpha: LoRA's alpha, above 0.
        multipliers: 'rates': all ranks are equal. 'ranks': a sublayer's rank is rank * multiplier (the largest of the
            plan's phases), rounded, at least 1, with the same scale alpha / rank.

    Raises:
        TglError: The plan does not fit the model or trains no attention sublayer, the model's projections are not
            known, the model has adapters already, or rank, alpha or `multipliers` is invalid.
    """
    _check(plan, model, rank, alpha=alpha, multipliers=multipliers)
    ranks, alphas = {}, {}
    for unit in attention_units(plan, model):
        largest = max(phase.multipliers[unit.name] for phase in plan.phases)
        chosen = max(1, round(rank * largest)) if multipliers == "ranks" else rank
        for name in projections(unit):
            copies = 2 if name.endswith(_FUSED) else 1
            ranks[name], alphas[name] = chosen * copies, alpha * chosen / rank * copies
    config = adapter_config(model, list(ranks), rank, alpha=alpha)
    config.rank_pattern = {f"^{name}$": value for name, value in ranks.items()}
    config.alpha_pattern = {f"^{name}$": value for name, value in alphas.items()}
    return config


def adapter_config(
    model: nn.Module, modules: Sequence[str], rank: int = 4, *, alpha: float = 16
) -> LoraConfig:
    """Return a peft configuration with adapters of one rank on linear layers of `model`, given by name."""
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=rank,
        lora_alpha=alpha,
        target_modules=list(modules),
        # GPT-2 has Conv1D, which stores the transposed matrix.
        fan_in_fan_out=any(not isinstance(model.get_submodule(name), nn.Linear) for name in modules),
    )


def with_lora(
    model: PreTrainedModel, plan: Plan, rank: int = 4, *, alpha: float = 16, multipliers: str = "rates"
) -> PeftModel:
    """Return `model` with the adapters of `lora_config`, restricted to query and value in fused projections.

    Arguments and errors are those of `lora_config`.
    """
    return kept_to_query_and_value(
        get_peft_model(model, lora_config(plan, model, rank, alpha=alpha, multipliers=multipliers))
    )


def kept_to_query_and_value(adapted: PeftModel) -> PeftModel:
    """Restrict adapters of fused projections to query and value, in place, and return the model.

    `with_lora` already does this. Call it before further training of an adapter that peft loaded from a folder.

    Args:
        adapted: A model with adapters from `lora_config`.

    Raises:
        TglError: An adapter has nonzero weights for the key, or the rows of a fused projection are not known.
    """
    for name, layer in adapted.base_model.model.named_modules():
        if isinstance(layer, LoraLayer) and name.endswith(_FUSED):
            for adapter, up in layer.lora_B.items():  # The weight is [out, 2 * rank], zero at the start.
                if not isinstance(up, _MaskedUp):
                    layer.lora_B[adapter] = _MaskedUp(
                        up, _fused_mask(name, layer, up.weight, config=adapted.config)
                    )
                    if up.weight[~layer.lora_B[adapter].mask].any():
                        raise TglError(
                            f"lora: the adapter '{adapter}' of '{name}' writes to the key rows, expected zeros there. "
                            "It was created or trained without tgl.with_lora; continue to train it with peft alone"
                        )
    return adapted


class _MaskedUp(nn.Linear):
    """A linear map that shares another map's weight but uses and trains only the entries in a mask.

    The mask is a buffer, so it follows the model to other devices and through copies and pickles. It is bool to work
    with every dtype, and it is not saved with the weights.

    Args:
        up: The map whose weight [out, in] and bias are shared.
        mask: [out, in], nonzero for the entries in use.
    """

    def __init__(self, up: nn.Linear, mask: torch.Tensor) -> None:
        super().__init__(up.in_features, up.out_features, bias=up.bias is not None, device="meta")
        self.weight, self.bias = up.weight, up.bias
        self.register_buffer("mask", mask.to(up.weight.device, torch.bool), persistent=False)
        self.train(up.training)

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        """Map [..., in] to [..., out]."""
        return functional.linear(seen, self.weight * self.mask, self.bias)


def _check(plan: Plan, model: nn.Module, rank: int, *, alpha: float, multipliers: str) -> None:
    if not isinstance(plan, Plan):
        raise TglError(
            f"lora: plan: found {type(plan).__name__}, expected a Plan. Read one from a file with load_plan"
        )
    if type(rank) is not int or rank < 1:
        raise TglError(f"lora: rank: found {rank!r}, expected an integer of at least 1. Correct it")
    if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not 0 < alpha < math.inf:
        raise TglError(f"lora: alpha: found {alpha!r}, expected a number above 0. Correct it")
    if multipliers not in ("rates", "ranks"):
        raise TglError(f"lora: multipliers: found {multipliers!r}, expected 'rates' or 'ranks'. Correct it")
    units = sublayers(model)
    if has_adapters(model):
        raise TglError(
            f"lora: {type(model).__name__} has adapters already, expected a model without adapters. Merge them first "
            "(merge_and_unload)"
        )
    check_fit(plan, units)


def attention_units(plan: Plan, model: nn.Module) -> list[Sublayer]:
    """Return the attention sublayers that a plan trains.

    Raises:
        TglError: There are none.
    """
    trained = plan.trained()
    found = [unit for unit in sublayers(model) if unit.part == "attention" and unit.name in trained]
    if not found:
        raise TglError(
            f"lora: the plan '{plan.method}' trains no attention sublayer ({', '.join(sorted(trained))}), but LoRA "
            "adapts query and value projections. Use this plan with another baseline"
        )
    return found


def projections(unit: Sublayer) -> list[str]:
    """Return the names of a sublayer's query and value projections.

    Raises:
        TglError: No projection is known.
    """
    modules = dict.fromkeys(name.rpartition(".")[0] for name in unit.parameters)
    found = [name for name in modules if name.rpartition(".")[2] in (*_SEPARATE, *_FUSED)]
    separate = {name.rpartition(".")[2] for name in found} & {*_SEPARATE}
    if not found or separate not in (set(), {*_SEPARATE}):
        raise TglError(
            f"lora: no query and value projection in '{unit.name}': expected {' and '.join(_SEPARATE)}, or one of "
            f"{', '.join(_FUSED)}, found {', '.join(modules)}. Use another baseline for this model"
        )
    return found


def _fused_mask(name: str, layer: LoraLayer, up: torch.Tensor, *, config) -> torch.Tensor:
    """Return the mask of B [out, 2 * rank]: 1 in the first half of query rows and the second half of value rows."""
    out, both = up.shape
    kind, heads = name.rpartition(".")[2], config.num_attention_heads
    head = getattr(config, "head_dim", None) or config.hidden_size // heads
    keys = getattr(config, "num_key_value_heads", None)
    roles = torch.empty(0)
    if kind == "qkv_proj" and keys:  # All query heads come first, then all key heads, then all value heads.
        roles = torch.repeat_interleave(
            torch.arange(3), torch.tensor([heads * head, keys * head, keys * head])
        )
    elif kind == "query_key_value":  # Each head has its query, key and value rows in sequence.
        roles = torch.arange(3).repeat_interleave(head).repeat(heads)
    elif kind == "c_attn" and isinstance(layer.get_base_layer(), Conv1D):  # As in GPT-2.
        roles = torch.arange(3).repeat_interleave(heads * head)
    if len(roles) != out:
        raise TglError(
            f"lora: the order of query, key and value rows in '{name}' ({out} rows) of {config.model_type} is not "
            "known; expected that of GPT-2, GPT-NeoX or Phi-3. Use another baseline for this model"
        )
    mask = torch.zeros(out, both)
    mask[roles == 0, : both // 2] = 1
    mask[roles == 2, both // 2 :] = 1
    return mask


def adapter_parameters(adapted: PeftModel) -> Iterator[tuple[str, nn.Parameter]]:
    """Yield (name inside the model, parameter) for every adapter parameter."""
    for name, parameter in adapted.base_model.model.named_parameters():
        if ".lora_" in name:
            yield name, parameter
