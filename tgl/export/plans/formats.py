"""The formats in which a plan can be written for other training tools."""

from __future__ import annotations

from transformers import PreTrainedModel

from tgl.core.errors import TglError, nearest
from tgl.export.plans.axolotl import axolotl
from tgl.export.plans.listing import listing
from tgl.export.plans.llama_factory import llama_factory
from tgl.export.plans.ms_swift import ms_swift
from tgl.export.plans.parameters import Export
from tgl.export.plans.peft import peft_lora
from tgl.models.matrices import units_named
from tgl.plans.apply import check_fit
from tgl.plans.plan import Plan

FORMATS = ("axolotl", "ms-swift", "llama-factory", "peft", "json")


def export_plan(plan: Plan, model: PreTrainedModel, to: str, *, learning_rate: float | None = None) -> Export:
    """Return a plan in the format of another training tool.

    Args:
        plan: The plan.
        model: The model whose parameters are named. It may be on the device `meta`.
        to: One of `FORMATS`.
        learning_rate: The learning rate at multiplier 1. Only axolotl needs it, for multipliers other than 0 and 1.

    Raises:
        TglError: The format is unknown, the plan does not fit the model or trains nothing, or the tool cannot train
            exactly what the plan trains.
    """
    if to not in FORMATS:
        raise TglError(
            f"format: found {to!r}, expected one of {', '.join(FORMATS)}{nearest(to, FORMATS)}. Correct it"
        )
    units = units_named(model, plan.multipliers)
    check_fit(plan, units)
    if plan.later and to != "json":
        raise TglError(
            f"plan '{plan.method}': {to} trains the same parameters in the whole run; found {len(plan.phases)} phases, "
            "expected one. Use the format json, or export each phase as a plan of its own"
        )
    if not plan.trained() and plan.embedding == 0:
        raise TglError(
            f"plan '{plan.method}': every multiplier is 0, so nothing would be trained. Set at least one above 0"
        )
    if to == "axolotl":
        return axolotl(plan, units, learning_rate=learning_rate)
    if to == "ms-swift":
        return ms_swift(plan, units)
    if to == "llama-factory":
        return llama_factory(plan, units, num_blocks=_num_blocks(model))
    if to == "peft":
        return peft_lora(plan, units, model)
    return listing(plan, units)


def _num_blocks(model: PreTrainedModel) -> int:
    """Return the number of blocks as LLaMA-Factory reads it."""
    config = getattr(model.config, "text_config", model.config)
    for key in ("num_hidden_layers", "num_layers", "n_layer"):
        if found := getattr(config, key, None):
            return found
    raise TglError(
        f"model type '{model.config.model_type}': LLaMA-Factory reads the number of blocks from num_hidden_layers, "
        "num_layers or n_layer; found none of them. Use another format"
    )
