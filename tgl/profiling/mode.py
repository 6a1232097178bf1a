"""The mode in which models are measured."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from transformers import PreTrainedModel


@contextmanager
def measuring(model: PreTrainedModel) -> Iterator[None]:
    """Turn dropout off; every module's mode is put back afterwards.

    RWKV stays in training mode: in evaluation mode it rescales its weights in place, which would scale their
    gradients and let two checkpoints look apart; it has no dropout.
    """
    modes = [(module, module.training) for module in model.modules()]
    model.train(model.config.model_type == "rwkv")
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
