"""Replace the forward pass of a module in a block, and pass the rows that an embedding looks up through a function."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.overrides import TorchFunctionMode


@contextmanager
def replaced(module: nn.Module, forward: Callable) -> Iterator[None]:
    """Let a module run `forward` in the block."""
    own = module.__dict__.get("forward")
    module.forward = forward
    try:
        yield
    finally:
        if own is None:
            del module.forward
        else:
            module.forward = own


class _Lookup(TorchFunctionMode):
    """Passes ids and rows of each lookup in an embedding's weight through a function."""

    def __init__(
        self, weight: nn.Parameter, change: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    ) -> None:
        super().__init__()
        self.weight, self.change = weight, change

    def __torch_function__(self, func, types, args=(), kwargs=None):
        output = func(*args, **(kwargs or {}))
        if func is nn.functional.embedding and args[1] is self.weight:
            return self.change(args[0], output)
        return output


@contextmanager
def at_lookup(
    module: nn.Embedding, change: Callable[[nn.Embedding, torch.Tensor, torch.Tensor], torch.Tensor]
) -> Iterator[None]:
    """Pass what the embedding looks up through `change`, before the module scales it or shifts positions."""
    forward = module.forward

    def run(*args: object, **kwargs: object) -> torch.Tensor:
        with _Lookup(module.weight, lambda ids, output: change(module, ids, output)):
            return forward(*args, **kwargs)

    with replaced(module, run):
        yield
