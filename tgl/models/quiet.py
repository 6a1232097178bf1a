"""Silence warnings of libraries that do not concern a run and would appear in every log."""

from __future__ import annotations

import os
import warnings

import torch


def silence_deepspeed() -> None:
    """Silence the messages that DeepSpeed prints on every CPU machine and at every step.

    Call it before DeepSpeed is imported. transformers also imports DeepSpeed when it saves a model.
    """
    if not torch.accelerator.is_available():
        # Otherwise DeepSpeed warns that it found no accelerator.
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    warnings.filterwarnings("ignore", r"`torch\.distributed\.\w+` is deprecated", FutureWarning)
