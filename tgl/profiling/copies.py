"""Per-example gradients of a module's parameters by copies of the parameters, one for each example of a batch.

`torch.vmap` runs the module once for all examples, each with its own copy of the parameters. The copies share memory in
the forward pass; the backward pass makes the gradient of each copy, which is the gradient of one example. This covers
every parameter of modules that no formula covers: convolutions, state-space and time-mixing parameters, routers, sinks
of attention. The cost is that of the ordinary gradients of the weights, and memory for a batch of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn
from torch.func import functional_call
from torch.utils._pytree import tree_flatten, tree_leaves, tree_unflatten

from tgl.core.errors import TglError

Take = Callable[[nn.Parameter, torch.Tensor], None]


@dataclass(frozen=True)
class Split:
    """Which tensors among inputs and outputs of a module have examples, learned from a trial call.

    Attributes:
        inputs: The numbers of the tensors in the flattened arguments whose first dimension has examples.
        others: The numbers of the other tensors.
        outputs: The dimension of each tensor in the flattened result that has examples: 0, or 1 for states
            [layers, batch, ...].
    """

    inputs: tuple[int, ...]
    others: tuple[int, ...]
    outputs: tuple[int, ...]


def leading(tensor: object, batch: int, time: int) -> bool:
    """Return whether the first dimension of a tensor runs over examples, or over examples and positions."""
    return isinstance(tensor, torch.Tensor) and tensor.dim() > 1 and tensor.shape[0] in (batch, batch * time)


def split_of(arguments: object, result: object, *, batch: int, time: int) -> Split | None:
    """Return which tensors of a trial call have examples, or None if a tensor of its result has none."""
    flat = tree_leaves(arguments)
    tensors = [n for n, value in enumerate(flat) if isinstance(value, torch.Tensor)]
    inputs = tuple(n for n in tensors if leading(flat[n], batch, time))
    others = tuple(n for n in tensors if n not in inputs)
    outputs = []
    for value in tree_leaves(result):
        if not isinstance(value, torch.Tensor):
            continue
        if leading(value, batch, time):
            outputs.append(0)
        elif value.dim() > 2 and value.shape[1] == batch:
            outputs.append(1)
        else:
            return None
    return Split(inputs, others, tuple(outputs)) if inputs and outputs else None


class _Copies(torch.autograd.Function):
    """The parameter for each example [batch, ...]. The backward pass hands the gradient of each copy to `take`."""

    @staticmethod
    def forward(ctx, parameter, anchor, batch, take):
        ctx.take, ctx.device = take, anchor.device
        return parameter.expand(batch, *parameter.shape)

    @staticmethod
    def backward(ctx, gradients):
        ctx.take(gradients)
        own = gradients.sum(0) if ctx.needs_input_grad[0] else None
        return own, torch.zeros((), device=ctx.device), None, None


class Copied:
    """A forward pass of a module with copies of its parameters.

    Args:
        module: The module.
        split: The result of `split_of`.
        batch: Number of examples.
        anchor: A scalar that requires gradients. It makes the backward pass reach the copies of frozen parameters.
        take: Called with each parameter and the gradients of its copies [batch, ...].
    """

    def __init__(
        self, module: nn.Module, split: Split, *, batch: int, anchor: torch.Tensor, take: Take
    ) -> None:
        self.body, self.split, self.batch = _Body(module), split, batch
        self._copies: dict[str, torch.Tensor] | None = None
        self._make = lambda parameter: _Copies.apply(
            parameter, anchor, batch, lambda gradients: take(parameter, gradients)
        )

    def __call__(self, *args: object, **kwargs: object) -> object:
        """Return what the module's forward pass returns."""
        copies = self._copies
        if copies is None:
            copies = {name: self._make(p) for name, p in self.body.named_parameters()}
        if torch.is_grad_enabled():  # One set for all calls, so that their gradients are summed.
            self._copies = copies
        flat, spec = tree_flatten((args, kwargs))
        found = {n for n, value in enumerate(flat) if isinstance(value, torch.Tensor)}
        if found != {*self.split.inputs, *self.split.others}:
            raise TglError(
                f"{type(self.body.module).__name__}: found tensors in the arguments {sorted(found)}, expected them in "
                f"{sorted((*self.split.inputs, *self.split.others))} as in a short trial. This model cannot be "
                "measured at this length; use fewer tokens, and please report the architecture"
            )
        tensors = [flat[n] for n in self.split.inputs]
        shape = {}

        def one(copies: Mapping[str, torch.Tensor], *own: torch.Tensor) -> tuple[torch.Tensor, ...]:
            values = list(flat)
            for n, tensor in zip(self.split.inputs, own, strict=True):
                values[n] = tensor
            arguments, options = tree_unflatten(values, spec)
            found = functional_call(self.body, dict(copies), arguments, options)
            outputs, shape["spec"] = tree_flatten(found)
            shape["outputs"] = outputs
            return tuple(value for value in outputs if isinstance(value, torch.Tensor))

        rows = [
            tensor.reshape(self.batch, tensor.shape[0] // self.batch, *tensor.shape[1:]) for tensor in tensors
        ]
        found = torch.vmap(one, randomness="same")(copies, *rows)
        outputs, num_tensors = [], 0
        for value in shape["outputs"]:
            if isinstance(value, torch.Tensor):
                dim = self.split.outputs[num_tensors]
                value = found[num_tensors].movedim(0, dim).flatten(dim, dim + 1)
                num_tensors += 1
            outputs.append(value)
        return tree_unflatten(outputs, shape["spec"])


class _Body(nn.Module):
    """Calls the forward pass of a module as it was when this was made, without the module's hooks."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self._call = module.forward

    def forward(self, *args: object, **kwargs: object) -> object:
        return self._call(*args, **kwargs)
