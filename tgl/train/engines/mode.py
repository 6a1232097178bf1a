"""Put models into training mode for a step. Dropout is on only during training steps."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import torch

from tgl.models.mode import own_weights
from tgl.train.processes import rank


def training_step(step: Callable) -> Callable:
    """Decorate an engine's `step`: run it in training mode, and restore every module's mode afterwards.

    RWKV can only be trained in training mode. Dropout acts if the model's configuration asks for it. Its draws depend
    only on the engine's `seed`, the number of the step and the process, so a resumed run has the same draws. The
    global random state does not change.
    """

    @functools.wraps(step)
    def in_training_mode(engine, tokens: torch.Tensor, number: int, factor: float):
        modes = [(module, module.training) for module in engine.model.modules()]
        devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
        with torch.random.fork_rng(devices):
            torch.manual_seed(step_seed(engine.seed, number, rank()))
            engine.model.train()
            own_weights(engine.model)
            try:
                return step(engine, tokens, number, factor)
            finally:
                for module, training in modes:
                    module.training = training

    return in_training_mode


def step_seed(seed: int, number: int, process: int) -> int:
    """Return the seed for dropout in one step of one process. Each triple of arguments has a different seed."""
    return int(np.random.SeedSequence((seed, number, process)).generate_state(1, np.uint64)[0] >> 1)
