"""Shells of models with twelve blocks, so that `layers.1` and `layers.11` both exist, and plans for them."""

import functools

import torch
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig, MambaConfig

from tgl.models.sublayers import ranked, sublayers
from tgl.plans.plan import Plan

BLOCKS = 12
CONFIGS = {
    "gpt2": GPT2Config(
        vocab_size=50, n_positions=8, n_embd=8, n_layer=BLOCKS, n_head=2, bos_token_id=0, eos_token_id=0
    ),
    "llama": LlamaConfig(
        vocab_size=50, hidden_size=8, num_hidden_layers=BLOCKS, num_attention_heads=2, intermediate_size=16
    ),
    "mamba": MambaConfig(
        vocab_size=50, hidden_size=8, num_hidden_layers=BLOCKS, state_size=4, intermediate_size=16,
        time_step_rank=2,
    ),
}  # fmt: skip
PATHS = {"gpt2": "transformer.h", "llama": "model.layers", "mamba": "backbone.layers"}


@functools.cache
def shell(kind):
    """Return a model on the device `meta`."""
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(CONFIGS[kind])


def plan(kind, chosen, embedding=0.0):
    """Return a plan. chosen: gives the multiplier of a unit."""
    multipliers = {unit.name: float(chosen(unit)) for unit in ranked(sublayers(shell(kind)))}
    return Plan("mine", float(embedding), multipliers)


def full(kind):
    return plan(kind, lambda unit: 1, embedding=1)


def one(kind):
    """Return a plan that trains one sublayer of block 1, whose number begins those of blocks 10 and 11."""
    return plan(kind, lambda unit: unit.block == 1 and unit.part in ("attention", "mixer"))


def last_third(kind):
    return plan(kind, lambda unit: unit.block >= BLOCKS - BLOCKS // 3)


def rates(kind):
    """Return a plan with another multiplier for each block, where that of block 2 is 1."""
    return plan(kind, lambda unit: (unit.block + 2) / 4)


def embedding_only(kind):
    return plan(kind, lambda unit: 0, embedding=1)


def with_embedding(kind):
    return plan(kind, lambda unit: unit.block >= BLOCKS - BLOCKS // 3, embedding=1)


SETS = [full, one, last_third, embedding_only, with_embedding]


def names(kind):
    return [name for name, _ in shell(kind).named_parameters()]


def trained(kind, own):
    return {name for unit in sublayers(shell(kind)) if own.of(unit.name) > 0 for name in unit.parameters}
