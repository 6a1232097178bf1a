"""What a plan is put on: plain continued pretraining, or a method against forgetting."""

from __future__ import annotations

from importlib import import_module

from tgl.config_baselines import BaselinesConfig
from tgl.errors import TglError, nearest
from tgl.plans.names import BASELINES
from tgl.train.baselines.plain import Plain

# Module and class of each; adapters' libraries are imported only where they are used.
_CLASSES = {
    "plain": ("plain", "Plain"),
    "replay": ("old_text", "Replay"),
    "mix_review": ("old_text", "MixReview"),
    "oracle": ("old_text", "Oracle"),
    "recadam": ("recadam", "Recadam"),
    "ewc": ("ewc", "Ewc"),
    "lora": ("lora", "Lora"),
    "k_adapter": ("k_adapter", "KAdapter"),
}


def make_baseline(name: str, settings: BaselinesConfig) -> Plain:
    """Return the baseline called `name` (`tgl.plans.names.BASELINES`) with its section of the settings."""
    if name not in _CLASSES:
        raise TglError(f"baseline '{name}': unknown{nearest(name, BASELINES)}; known: {', '.join(BASELINES)}")
    module, kind = _CLASSES[name]
    return getattr(import_module(f"{__name__}.{module}"), kind)(getattr(settings, name, None))
