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
    __version__: str
    from tgl.models.checkpoint import load_model
    from tgl.models.tokenizer import load_tokenizer
    from tgl.plans.callback import PlanCallback
    from tgl.plans.plan import Plan, load_plan, save_plan
    from tgl.profiling.profile import Profile, profile
    from tgl.report.results import Results, load_results
    from tgl.train.lora import lora_config, with_lora

__all__ = [
    "Plan",
    "PlanCallback",
    "Profile",
    "Results",
    "load_model",
    "load_plan",
    "load_results",
    "load_tokenizer",
    "lora_config",
    "profile",
    "save_plan",
    "with_lora",
]

_MODULES = {
    "Plan": "tgl.plans.plan",
    "PlanCallback": "tgl.plans.callback",
    "load_plan": "tgl.plans.plan",
    "save_plan": "tgl.plans.plan",
    "Profile": "tgl.profiling.profile",
    "profile": "tgl.profiling.profile",
    "load_model": "tgl.models.checkpoint",
    "load_tokenizer": "tgl.models.tokenizer",
    "load_results": "tgl.report.results",
    "Results": "tgl.report.results",
    "lora_config": "tgl.train.lora",
    "with_lora": "tgl.train.lora",
}


def __getattr__(name: str) -> object:
    # Importing torch and transformers takes seconds, so each name is imported only when it is used.
    if name in _MODULES:
        from tgl.core.extras import naming_extra

        with naming_extra(f"tgl.{name}"):
            return getattr(import_module(_MODULES[name]), name)
    if name == "__version__":
        return _version()
    raise AttributeError(f"module 'tgl' has no attribute '{name}'")


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("tgl")
    except PackageNotFoundError:  # imported from a folder where it was never installed
        return "0+unknown"


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
