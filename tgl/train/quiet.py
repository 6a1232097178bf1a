"""Warnings of libraries that say nothing about a run, and would stand in every log."""

from __future__ import annotations

import os
import warnings

import torch


def silence_deepspeed() -> None:
    """Silence what DeepSpeed prints on every CPU machine and on every step; call before it is imported.

    DeepSpeed is imported by itself, and by transformers when a model is saved.
    """
    if not torch.accelerator.is_available():
        os.environ.setdefault("DS_ACCELERATOR", "cpu")  # else it warns that it has found nothing better
    warnings.filterwarnings("ignore", r"`torch\.distributed\.\w+` is deprecated", FutureWarning)
