"""The learning-rate schedule: a factor on the initial rate of every parameter group."""

from __future__ import annotations

import math
from decimal import Decimal

from tgl.models.settings import OptimiserConfig


def warmup_steps(settings: OptimiserConfig) -> int:
    """Return the number of steps of the warm-up: its share of all steps, rounded up."""
    # As decimal numbers: in binary, 7 % of 100 steps are slightly more than 7.
    return math.ceil(settings.steps * Decimal(str(settings.warmup_share)))


def factor(step: int, settings: OptimiserConfig) -> float:
    """Return the learning-rate factor of a step: linear warm-up, then the configured decay.

    The last step of the warm-up has factor 1. A decay to 0 would reach 0 one step after the last step.

    Args:
        step: Number of the step, from 0.
        settings: Number of steps, share of the warm-up, and kind of decay.
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
