"""Put models into training mode for a step. Dropout is on only during training steps."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from tgl.core.errors import TglError
from tgl.models.mode import own_weights
from tgl.models.sublayers import unwrapped
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
                with (
                    checkpointed(engine.model, engine.checkpointing),
                    compiled(engine.model, engine.compiled),
                ):
                    return step(engine, tokens, number, factor)
            finally:
                for module, training in modes:
                    module.training = training

    return in_training_mode


def check_checkpointing(model: nn.Module) -> None:
    """Check that the blocks of a model can compute their activations again.

    Raises:
        TglError: They cannot.
    """
    network = unwrapped(model)
    if not getattr(network, "supports_gradient_checkpointing", False):
        raise TglError(
            f"train.checkpointing: {type(network).__name__} cannot compute its activations again; expected a model of "
            "transformers that supports gradient checkpointing. Set it to false"
        )


@contextmanager
def checkpointed(model: nn.Module, wanted: bool) -> Iterator[None]:
    """Let the model's blocks compute their activations again in the backward passes of the block.

    The form without reentrance keeps the gradients of blocks above frozen ones.
    """
    network = unwrapped(model)
    if wanted:
        network.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    try:
        yield
    finally:
        if wanted:
            network.gradient_checkpointing_disable()


def step_seed(seed: int, number: int, process: int) -> int:
    """Return the seed for dropout in one step of one process. Each triple of arguments has a different seed."""
    return int(np.random.SeedSequence((seed, number, process)).generate_state(1, np.uint64)[0] >> 1)


def compiled_call(model: nn.Module) -> Callable:
    """Return the call of a model compiled by torch.compile, at its first use. The model does not change."""
    return torch.compile(model._call_impl)


@contextmanager
def compiled(model: nn.Module, call: Callable | None) -> Iterator[None]:
    """Let calls of the model run `call` in the block; None: as without the block."""
    if call is None:
        yield
        return
    kept = model._compiled_call_impl
    model._compiled_call_impl = call
    try:
        yield
    finally:
        model._compiled_call_impl = kept
