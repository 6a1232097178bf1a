"""LoRA (Hu et al. 2021, arXiv 2106.09685) through peft: low-rank adapters of the query and value projections.

An adapter adds alpha / rank * B A x to a projection's output. A plan says which attention sublayers get one, and its
multipliers scale the adapters' learning rates, or their ranks. Where query, key and value are fused in one matrix
(GPT-2's c_attn), a rank of 2r is split: the first r directions write to query rows only, the last r to value rows only,
which is two adapters of rank r side by side; the key is never reached.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional
from transformers import PreTrainedModel

from tgl.config_baselines import LoraConfig as LoraSettings
from tgl.errors import TglError
from tgl.model_files import load_tensors
from tgl.plans.plan import Plan
from tgl.sublayers import Sublayer, has_adapters, sublayers
from tgl.train.baselines.plain import Period, Plain, phases
from tgl.train.groups import check_fit, freeze

_SEPARATE = ("q_proj", "v_proj")
_FUSED = ("c_attn", "query_key_value", "qkv_proj")


def lora_config(
    plan: Plan, model: nn.Module, rank: int = 4, alpha: float = 16, multipliers: str = "rates"
) -> LoraConfig:
    """Return a peft configuration with adapters on query and value of the attention sublayers that the plan trains.

    multipliers: with 'ranks' a sublayer's rank is rank * multiplier (the largest of its phases), rounded, at least 1,
    at the same scale alpha / rank; with 'rates' all ranks are equal. A fused projection gets twice the rank and alpha,
    and peft alone would adapt its key as well: `with_lora` keeps it to query and value. Raises TglError when the plan
    does not fit the model or trains no attention sublayer, when the model's projections are not known or it has
    adapters already, and for a rank, alpha or `multipliers` that cannot be.
    """
    _check(plan, model, rank, alpha, multipliers)
    ranks, alphas, fan_in_fan_out = {}, {}, False
    for unit in _attention(plan, model):
        largest = max(phase[unit.name] for phase in phases(plan))
        chosen = max(1, round(rank * largest)) if multipliers == "ranks" else rank
        for name in _projections(unit):
            copies = 2 if name.endswith(_FUSED) else 1
            ranks[name], alphas[name] = chosen * copies, alpha * chosen / rank * copies
            fan_in_fan_out |= not isinstance(model.get_submodule(name), nn.Linear)  # GPT-2's Conv1D
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=rank,
        lora_alpha=alpha,
        rank_pattern={f"^{name}$": value for name, value in ranks.items()},
        alpha_pattern={f"^{name}$": value for name, value in alphas.items()},
        target_modules=list(ranks),
        fan_in_fan_out=fan_in_fan_out,
    )


def with_lora(
    model: PreTrainedModel, plan: Plan, rank: int = 4, alpha: float = 16, multipliers: str = "rates"
) -> PeftModel:
    """Return `model` with the adapters of `lora_config`, kept to query and value inside fused projections."""
    return kept_to_query_and_value(get_peft_model(model, lora_config(plan, model, rank, alpha, multipliers)))


def kept_to_query_and_value(adapted: PeftModel) -> PeftModel:
    """Keep adapters of fused projections, made by `lora_config`, to query and value, and return the model.

    `with_lora` does so already; an adapter that peft has loaded from a folder needs it before it is trained on. Raises
    TglError for an adapter that has learned something for the key.
    """
    for name, layer in adapted.base_model.model.named_modules():
        if isinstance(layer, LoraLayer) and name.endswith(_FUSED):
            for adapter, up in layer.lora_B.items():  # weight [out, 2 * rank], zero at the start
                if not isinstance(up, _MaskedUp):
                    layer.lora_B[adapter] = _MaskedUp(up, _fused_mask(name, up.weight, adapted.config))
                    if up.weight[~layer.lora_B[adapter].mask].any():
                        raise TglError(
                            f"lora: the adapter '{adapter}' of '{name}' writes to the key rows, expected zeros there; "
                            "it was not made by tgl.with_lora, or trained without it. Train it as peft made it"
                        )
    return adapted


class _MaskedUp(nn.Linear):
    """The same linear map, with the same weight, of which only the entries in a mask are used and learn.

    The mask is a buffer: it follows the model to other devices, and through copies and pickles. It is of bool, so that
    it fits every dtype, and stands in no file of weights.
    """

    def __init__(self, up: nn.Linear, mask: torch.Tensor) -> None:
        """up: its weight [out, in] becomes this map's. mask: [out, in], not 0 where an entry may differ from 0."""
        super().__init__(up.in_features, up.out_features, bias=up.bias is not None, device="meta")
        self.weight, self.bias = up.weight, up.bias
        self.register_buffer("mask", mask.to(up.weight.device, torch.bool), persistent=False)
        self.train(up.training)

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        """Map [..., in] to [..., out]."""
        return functional.linear(seen, self.weight * self.mask, self.bias)


def _check(plan: Plan, model: nn.Module, rank: int, alpha: float, multipliers: str) -> None:
    if not isinstance(plan, Plan):
        raise TglError(
            f"lora: plan: found {type(plan).__name__}, expected a Plan; load_plan reads one from a file"
        )
    if type(rank) is not int or rank < 1:
        raise TglError(f"lora: rank: expected a whole number from 1 on, found {rank!r}")
    if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not 0 < alpha < math.inf:
        raise TglError(f"lora: alpha: expected a number above 0, found {alpha!r}")
    if multipliers not in ("rates", "ranks"):
        raise TglError(f"lora: multipliers: expected 'rates' or 'ranks', found {multipliers!r}")
    units = sublayers(model)
    if has_adapters(model):
        raise TglError(
            f"lora: {type(model).__name__} has adapters already, expected a model without; merge them first "
            "(merge_and_unload)"
        )
    check_fit(plan, units)


def _attention(plan: Plan, model: nn.Module) -> list[Sublayer]:
    trained = plan.trained()
    found = [unit for unit in sublayers(model) if unit.part == "attention" and unit.name in trained]
    if not found:
        raise TglError(
            f"lora: the plan '{plan.method}' trains no attention sublayer ({', '.join(sorted(trained))}), and LoRA "
            "adapts query and value projections; put this plan on another baseline"
        )
    return found


def _projections(unit: Sublayer) -> list[str]:
    modules = dict.fromkeys(name.rpartition(".")[0] for name in unit.parameters)
    found = [name for name in modules if name.rpartition(".")[2] in (*_SEPARATE, *_FUSED)]
    if not found:
        raise TglError(
            f"lora: no query and value projection in '{unit.name}': expected one of "
            f"{', '.join((*_SEPARATE, *_FUSED))}, found {', '.join(modules)}"
        )
    return found


def _fused_mask(name: str, up: torch.Tensor, config) -> torch.Tensor:
    """Return 1 where an entry of B [out, 2 * rank] may differ from 0: query rows first half, value rows second."""
    out, both = up.shape
    kind = name.rpartition(".")[2]
    if kind == "qkv_proj":  # query heads, then key heads, then value heads
        head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        sizes = [config.num_attention_heads * head] + 2 * [config.num_key_value_heads * head]
        roles = torch.repeat_interleave(torch.arange(3), torch.tensor(sizes))
    elif kind == "query_key_value":  # head by head: query, key, value
        head = out // (3 * config.num_attention_heads)
        roles = torch.arange(3).repeat_interleave(head).repeat(config.num_attention_heads)
    else:
        roles = torch.arange(3).repeat_interleave(out // 3)
    mask = torch.zeros(out, both)
    mask[roles == 0, : both // 2] = 1
    mask[roles == 2, both // 2 :] = 1
    return mask


class Lora(Plain):
    """Adapters alone are trained; after each period they are merged into the checkpoint that is written."""

    settings: LoraSettings

    def __init__(self, settings: LoraSettings) -> None:
        super().__init__(settings)
        # Of the present period: the model's units, and the sublayer of each adapted projection.
        self._units: list[Sublayer] = []
        self._owner: dict[str, str] = {}

    def check(self, plan: Plan, learning_rate: float) -> None:
        """See `Plain`."""
        if plan.embedding > 0:
            raise TglError(
                f"lora: the plan '{plan.method}' trains the unit embedding, and LoRA trains adapters alone"
            )
        for number, phase in enumerate(phases(plan)):
            if not any(name.endswith(".attention") and value > 0 for name, value in phase.items()):
                where = f"in phase {number + 1} of {1 + len(plan.later)} " if plan.later else ""
                raise TglError(
                    f"lora: the plan '{plan.method}' {where}trains no attention sublayer, and LoRA adapts query and "
                    "value projections; put this plan on another baseline"
                )

    def starts_from_base(self, number: int) -> bool:
        """See `Plain`: a kept adapter stands on the base model's weights, and so does one that begins anew."""
        return number == 0 or self.settings.between in ("keep", "new")

    def begins_anew(self, number: int) -> bool:
        """See `Plain`: what a kept adapter learned is there again once it is loaded."""
        return number == 0 or self.settings.between == "new"

    def units(self, period: Period) -> list[Sublayer]:
        """See `Plain`: those of the model inside, whose own parameters stay as they are until the merge."""
        return self._units

    def module(self, period: Period) -> nn.Module:
        """See `Plain`."""
        wanted = self.settings
        freeze(period.model, period.plan)  # for its checks; the adapters' groups are made in `groups`
        self._units = sublayers(period.model)
        units = _attention(period.plan, period.model)
        self._owner = {name: unit.name for unit in units for name in _projections(unit)}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(period.seed)
            period.model = with_lora(period.model, period.plan, wanted.rank, wanted.alpha, wanted.multipliers)
        if wanted.between == "keep" and period.previous is not None:
            kept = load_tensors(period.previous / "adapter.safetensors")
            here = dict(_adapter_parameters(period.model))
            if set(kept) != set(here) or any(kept[name].shape != here[name].shape for name in kept):
                raise TglError(
                    "lora: the plan of this period wants other adapters than the one before, and "
                    "baselines.lora.between is 'keep'; set it to 'merge', or profile.periods to 'first'"
                )
            with torch.no_grad():
                for name, parameter in here.items():
                    parameter.copy_(kept[name])
        return period.model

    def trained(self, plan: Plan) -> set[str]:
        """See `Plain`."""
        return {name for name in plan.trained() if name.endswith(".attention")}

    def groups(self, period: Period, phase: Plan) -> list[dict]:
        """See `Plain`: one group a sublayer, without weight decay on what starts at zero or is small anyway."""
        found: dict[str, dict] = {}
        for name, parameter in _adapter_parameters(period.model):
            unit = self._owner[name.partition(".lora_")[0]]
            multiplier = phase.of(unit)
            parameter.requires_grad_(multiplier > 0)
            if multiplier > 0:
                scaled = multiplier if self.settings.multipliers == "rates" else 1.0
                rate = period.learning_rate * scaled
                group = {"params": [], "lr": rate, "initial_lr": rate, "weight_decay": 0.0, "units": []}
                group = found.setdefault(unit, group)
                group["params"].append(parameter)
                group["units"].append(unit)
        if not found:
            raise TglError(
                f"lora: a phase of the plan '{phase.method}' trains no attention sublayer, it has no adapter"
            )
        return list(found.values())

    def save(self, period: Period, folder: Path) -> None:
        """See `Plain`."""
        adapter = {
            name: value.detach().cpu().contiguous() for name, value in _adapter_parameters(period.model)
        }
        folder.mkdir(parents=True, exist_ok=True)
        save_file(adapter, folder / "adapter.safetensors")

    def finished(self, period: Period) -> PreTrainedModel:
        """See `Plain`."""
        return period.model.merge_and_unload()


def _adapter_parameters(adapted: PeftModel) -> Iterator[tuple[str, nn.Parameter]]:
    """Yield (name inside the model, parameter) of every adapter."""
    for name, parameter in adapted.base_model.model.named_parameters():
        if ".lora_" in name:
            yield name, parameter
