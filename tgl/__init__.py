"""Traced Gradient Layers: gradient profiles, plans and continual pretraining, with their controls.

import tgl

found = tgl.profile("HuggingFaceTB/SmolLM2-135M", probes="probes.jsonl", corpus="text.jsonl")
found.profile  # relative gradient norms by sublayer, every group over every denominator, with intervals
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tgl.profiling.stage import Profile, profile

__all__ = ["Profile", "profile"]


def __getattr__(name: str) -> object:
    # torch and transformers take seconds to import: only when they are needed.
    if name in __all__:
        from tgl.profiling import stage

        return getattr(stage, name)
    raise AttributeError(f"module 'tgl' has no attribute '{name}'")
