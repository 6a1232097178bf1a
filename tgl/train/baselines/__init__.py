"""What a plan is put on: plain continued pretraining, or a method against forgetting."""

from __future__ import annotations

from importlib import import_module

from tgl.config_baselines import BaselinesConfig
from tgl.errors import TglError, nearest
from tgl.plans.names import BASELINE_MODULES, BASELINES
from tgl.train.baselines.plain import Plain

_CLASSES = {
    "plain": "Plain",
    "replay": "Replay",
    "mix_review": "MixReview",
    "recadam": "Recadam",
    "ewc": "Ewc",
    "lora": "Lora",
    "k_adapter": "KAdapter",
    "oracle": "Oracle",
}


def make_baseline(name: str, settings: BaselinesConfig) -> Plain:
    """Return the baseline called `name` (`tgl.plans.names.BASELINES`) with its section of the settings."""
    if name not in _CLASSES:
        raise TglError(f"baseline '{name}': unknown{nearest(name, BASELINES)}; known: {', '.join(BASELINES)}")
    # Adapters' libraries are imported only where they are used.
    module = import_module(f"{__name__}.{BASELINE_MODULES[name]}")
    return getattr(module, _CLASSES[name])(getattr(settings, name, None))
