"""Traced Gradient Layers: gradient profiles, plans and continual pretraining, with their controls.

import tgl

found = tgl.profile("HuggingFaceTB/SmolLM2-135M", probes="probes.jsonl", corpus="text.jsonl")
found.profile  # relative gradient norms by sublayer, every group over every denominator, with intervals
plan = found.plan("tgl_fp")  # which sublayers learn, at which rate
optimiser = torch.optim.AdamW(plan.param_groups(model, lr=1e-4))
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tgl.plans.plan import Plan, load_plan, save_plan
    from tgl.profiling.stage import Profile, profile
    from tgl.text.tokens import load_tokenizer
    from tgl.train.baselines.lora import lora_config, with_lora
    from tgl.train.checkpoint import load_model

__all__ = [
    "Plan",
    "Profile",
    "load_model",
    "load_plan",
    "load_tokenizer",
    "lora_config",
    "profile",
    "save_plan",
    "with_lora",
]

_MODULES = {
    "Plan": "tgl.plans.plan",
    "load_plan": "tgl.plans.plan",
    "save_plan": "tgl.plans.plan",
    "Profile": "tgl.profiling.stage",
    "profile": "tgl.profiling.stage",
    "load_model": "tgl.train.checkpoint",
    "load_tokenizer": "tgl.text.tokens",
    "lora_config": "tgl.train.baselines.lora",
    "with_lora": "tgl.train.baselines.lora",
}


def __getattr__(name: str) -> object:
    # torch and transformers take seconds to import: only when they are needed.
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module 'tgl' has no attribute '{name}'")
