"""The mode in which models are trained: a training step is the only place where dropout is on."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import torch

from tgl.profiling.mode import own_weights
from tgl.train.processes import rank


def training_step(step: Callable) -> Callable:
    """Let an engine's `step` run in training mode, and put every module's mode back afterwards.

    RWKV can be trained in no other mode. Dropout acts where the configuration of the model asks for it; its draws
    depend on the engine's `seed`, the number of the step and the process alone, so that a resumed run draws the same.
    The global random state is left alone.
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
    """Return the seed of the draws of one step of one process: a different one for each triple that can occur."""
    return int(np.random.SeedSequence((seed, number, process)).generate_state(1, np.uint64)[0] >> 1)
