"""The learning-rate schedule: a factor on every group's own initial rate."""

from __future__ import annotations

import math

from tgl.config import OptimiserConfig


def warmup_steps(settings: OptimiserConfig) -> int:
    """Return the number of steps of the warm-up."""
    return math.ceil(settings.steps * settings.warmup_share)


def factor(step: int, settings: OptimiserConfig) -> float:
    """Return the factor of step `step` (from 0): linear warm-up over warmup_share, then decay towards 0.

    The last step of the warm-up has factor 1; the decay would reach 0 one step after the last.
    """
    warmup = warmup_steps(settings)
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, settings.steps - warmup)
    if settings.decay == "cosine":
        return 0.5 * (1.0 + math.cos(math.pi * progress))
    if settings.decay == "linear":
        return 1.0 - progress
    return 1.0
