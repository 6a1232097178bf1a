"""Put models into the mode for measurements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn

from tgl.models.quantised import unpack


@contextmanager
def measuring(model: nn.Module) -> Iterator[None]:
    """Turn off dropout, activation checkpointing and compiled calls in the block, and restore them afterwards.

    Quantised weights that were packed for a CPU are unpacked, and packed again in their next call by bitsandbytes.

    RWKV is measured in training mode, which has no dropout. In evaluation mode it rescales its weights in place, which
    would scale their gradients and make equal checkpoints look different. If an earlier evaluation has rescaled the
    weights, the block sees the weights as trained. What an evaluation in the block rescales is undone at its end.
    """
    modules = list(model.modules())
    kept = [(module, dict(_switches(module))) for module in modules]
    # Only RWKV has `layers_are_rescaled`.
    is_rwkv = any("layers_are_rescaled" in vars(module) for module in modules)
    model.train(is_rwkv)
    rescaled = own_weights(model)
    for module in modules:
        for name in _switches(module).keys() - {"training"}:
            setattr(module, name, _OFF[name])
    unpack(modules)
    try:
        yield
    finally:
        if is_rwkv:
            model.train()
            own_weights(model)
        for module, switches in kept:
            for name, value in switches.items():
                setattr(module, name, value)
        for module in rescaled:
            module._rescale_layers()


def own_weights(model: nn.Module) -> list[nn.Module]:
    """Undo the rescaling of RWKV's weights by its evaluation mode, in place.

    The model must be in training mode.

    Returns:
        The modules whose weights were rescaled.
    """
    rescaled = [module for module in model.modules() if getattr(module, "layers_are_rescaled", False)]
    for module in rescaled:
        module._rescale_layers()
    return rescaled


@contextmanager
def differentiating(model: nn.Module, wanted: Sequence[nn.Parameter]) -> Iterator[None]:
    """Measure (see `measuring`) with gradients for the `wanted` parameters only, and restore everything afterwards.

    Quantised weights stay without. The block has gradients and full precision even if the caller has turned off
    gradients or uses autocast.
    """
    flags = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    for parameter, _ in flags:
        parameter.requires_grad_(False)
    for parameter in wanted:
        parameter.requires_grad_(parameter.is_floating_point())
    try:
        device = next(model.parameters()).device.type
        exact = torch.autocast(device, enabled=False)
        with torch.inference_mode(False), torch.enable_grad(), exact, measuring(model):
            yield
    finally:
        for parameter, flag in flags:
            parameter.requires_grad_(flag)


# Checkpointing (transformers) calls a block's modules twice, and a compiled call (torch) skips hooks. On some CPUs,
# bitsandbytes packs weights in the first call without gradients, after which it has no gradients at all.
_OFF = {"gradient_checkpointing": False, "_compiled_call_impl": None, "support_avx512bf16_for_cpu": False}


def _switches(module: nn.Module) -> dict[str, object]:
    return {name: vars(module)[name] for name in ("training", *_OFF) if name in vars(module)}
