"""What a plan is put on: plain continued pretraining, or a method against forgetting."""

from __future__ import annotations

from tgl.config_baselines import BaselinesConfig
from tgl.train.baselines.plain import Plain


def make_baseline(name: str, settings: BaselinesConfig) -> Plain:
    """Return the baseline called `name` (`tgl.plans.names.BASELINES`) with its section of the settings."""
    return Plain()
