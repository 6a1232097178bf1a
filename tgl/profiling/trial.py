"""A small forward pass that shows how a model uses each of its modules."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils._pytree import tree_leaves
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from tgl.models.mode import measuring
from tgl.models.quantised import is_quantised
from tgl.profiling.copies import Split, leading, split_of
from tgl.profiling.replaced import at_lookup

# Batch and time of the trial forward pass, which shows how modules are used. No other size of a model is likely to be
# one of them or their product.
TRIAL = (3, 7)
_NORM = re.compile(r"Norm(1P)?$")


@dataclass
class Use:
    """How the trial used a module.

    Attributes:
        calls: Number of calls.
        fits: Whether each call had examples in the first dimension of its input and its output.
        single: Whether each call had one argument.
        split: Which of the arguments have examples; of a module without a formula.
        call: Arguments and result, of the first module with its class and split.
    """

    calls: int = 0
    fits: bool = True
    single: bool = True
    split: Split | None = None
    call: tuple[object, object] | None = None


def formula(module: nn.Module) -> str | None:
    """Return the formula for the weight and bias of a module, by its class."""
    if type(module) in (nn.Linear, Conv1D) or is_quantised(module):
        return "linear"
    if isinstance(module, nn.Embedding) and module.max_norm is None and not module.scale_grad_by_freq:
        return "embedding"
    if _NORM.search(type(module).__name__) and next(module.children(), None) is None:
        return "norm"
    return None


def kind_of(module: nn.Module, use: Use) -> tuple[type, Split | None]:
    """Return what modules have in common that one trial of copies decides for."""
    return type(module), use.split


def tensors(value: object) -> Iterator[torch.Tensor]:
    """Yield the tensors among the leaves of a value."""
    return (leaf for leaf in tree_leaves(value) if isinstance(leaf, torch.Tensor))


def trial(model: PreTrainedModel) -> dict[nn.Module, Use]:
    """Return how a small forward pass uses each module."""
    uses = {module: Use() for module in model.modules()}
    kept: set[tuple[type, Split | None]] = set()
    looked_up: set[nn.Parameter] = set()

    def seen(module: nn.Module, args: tuple, kwargs: dict, output: object) -> None:
        use = uses[module]
        use.calls += 1
        first = next(tensors(output), None)
        if formula(module) == "embedding":  # Positions can be [1, time] for all.
            use.fits &= isinstance(first, torch.Tensor) and first.dim() == 3 and first.shape[1] == TRIAL[1]
            use.fits &= module.weight in looked_up
            return
        given = next((value for value in (*args, *kwargs.values()) if isinstance(value, torch.Tensor)), None)
        use.fits &= leading(given, *TRIAL) and leading(first, *TRIAL)
        use.single &= len(args) == 1 and not kwargs
        if next(module.parameters(), None) is not None:
            use.split = split_of((args, kwargs), output, batch=TRIAL[0], time=TRIAL[1])
            if use.split and kind_of(module, use) not in kept:
                kept.add(kind_of(module, use))
                use.call = ((args, kwargs), output)

    with measuring(model), ExitStack() as stack, torch.no_grad():
        for module in model.modules():
            stack.callback(module.register_forward_hook(seen, with_kwargs=True).remove)
            if formula(module) == "embedding":
                stack.enter_context(at_lookup(module, lambda m, _, rows: looked_up.add(m.weight) or rows))
        device = next(model.parameters()).device
        size = model.get_input_embeddings().weight.shape[0]
        ids = torch.arange(TRIAL[0] * TRIAL[1], device=device).view(TRIAL) % size
        model(input_ids=ids, use_cache=False)
    return uses
