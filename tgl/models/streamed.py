"""Run a model whose blocks stay on disk: each block is read when it runs and freed afterwards.

The forward pass keeps only the inputs of the blocks. The backward pass reads each block again, runs it again with
gradients, and frees it (gradient checkpointing, Chen et al. 2016, arXiv 1604.06174). So memory holds the embeddings,
one or two blocks, and the residual stream at the boundaries of the blocks. Outside a block's run, each of its
parameters is a single NaN, expanded to the parameter's shape: a use that nobody foresaw gives NaN, not old values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import safe_open
from torch import nn
from torch.utils._pytree import tree_flatten, tree_unflatten
from transformers import Cache, PreTrainedModel

from tgl.core.errors import TglError
from tgl.models.arguments import Watch
from tgl.models.mode import measuring
from tgl.models.model_files import check_finite
from tgl.models.places import Place, Source

Take = Callable[[nn.Parameter, torch.Tensor], None]
_ATTRIBUTE = "tgl_streamed"


@dataclass
class Streamed:
    """The parameters of a model that are on disk.

    Attributes:
        model: The model.
        places: Where each parameter is.
        dtype: Type of the parameters in memory.
        device: Their device.
        take: Called in the backward pass with each parameter on disk that requires gradients, and its gradient, when
            the last run of its block is done.
        num_reads: How often each parameter was read.
    """

    model: PreTrainedModel
    places: Mapping[nn.Parameter, Place]
    dtype: torch.dtype
    device: torch.device
    take: Take | None = None
    num_reads: Counter = field(default_factory=Counter)
    # Runs of each block in the forward pass whose backward pass has not come yet.
    _open_runs: Counter = field(default_factory=Counter)
    # In `check_arguments`: the tensors that blocks made, by memory, with the block.
    _uses: dict[int, tuple[nn.Module, torch.Tensor]] | None = None
    # Runs can be nested: a module inside a block, or a block that another one calls.
    _users: Counter = field(default_factory=Counter)

    def attach(self, blocks: Iterable[nn.Module]) -> None:
        """Let the model's blocks read their parameters when they run."""
        setattr(self.model, _ATTRIBUTE, self)
        self.model.register_state_dict_pre_hook(_refuse_state)
        for block in blocks:
            block.forward = _Run(block, self)
        for parameter in self.places:
            self._free(parameter)

    @contextmanager
    def loaded(self, parameters: Iterable[nn.Parameter]) -> Iterator[None]:
        """Hold parameters in memory in the block; those that are there anyway do not change."""
        own = [parameter for parameter in parameters if parameter in self.places]
        try:
            self._read([parameter for parameter in own if not self._users[parameter]])
            self._users.update(own)
            yield
        finally:
            self._users.subtract(own)
            for parameter in own:
                if self._users[parameter] <= 0:
                    del self._users[parameter]
                    self._free(parameter)

    @contextmanager
    def watched(self, block: nn.Module, arguments: Iterable[torch.Tensor]) -> Iterator[None]:
        """Record in `check_arguments` what a block uses."""
        with ExitStack() as stack:
            if self._uses is not None:
                stack.enter_context(Watch(block, arguments, self._uses))
            yield

    @torch.no_grad()
    def check_arguments(self) -> None:
        """Run the model once on a few tokens, and check that blocks get values from each other only as arguments.

        What else a block takes from another one, such as shared keys and values, would have no gradient.

        Raises:
            TglError: A block takes values of another one otherwise; or a weight is not finite.
        """
        self._uses = {}
        size = self.model.get_input_embeddings().num_embeddings
        try:
            with measuring(self.model):
                self.model(input_ids=torch.arange(8, device=self.device)[None] % size, use_cache=False)
        finally:
            self._uses = None

    def _read(self, parameters: Iterable[nn.Parameter]) -> None:
        with opened() as tensor_of:
            for parameter in parameters:
                place = self.places[parameter]
                tensor = place.made(tensor_of, self.model).to(self.device, self.dtype)
                if not self.num_reads[parameter]:
                    check_finite(tensor, place.name, place.sources[0].file)
                parameter.data = tensor
                self.num_reads[parameter] += 1

    def _free(self, parameter: nn.Parameter) -> None:
        empty = torch.full((), torch.nan, dtype=self.dtype, device=self.device)
        parameter.data = empty.expand(parameter.shape)


@contextmanager
def opened() -> Iterator[Callable[[Source], torch.Tensor]]:
    """Yield a function that returns tensors of files, and close the files afterwards.

    A tensor is a view of the mapped file. It takes no memory of its own, and the mapping ends with the tensor.
    """
    files: dict[Path, safe_open] = {}
    with ExitStack() as stack:

        def tensor_of(source: Source) -> torch.Tensor:
            if source.file not in files:
                files[source.file] = stack.enter_context(safe_open(source.file, "pt"))
            return files[source.file].get_tensor(source.name)

        yield tensor_of


def _refuse_state(module: nn.Module, prefix: str, keep_vars: bool) -> None:
    """Refuse to save a model whose parameters are on disk: the file would hold NaN."""
    raise TglError(
        f"{type(module).__name__}: its blocks are on disk, so it has no weights to save or copy; expected a model in "
        "memory. Copy the files of its folder, or load it without stream"
    )


def streamed(model: nn.Module) -> Streamed | None:
    """Return what a model has on disk; None for a model in memory."""
    return getattr(model, _ATTRIBUTE, None)


@contextmanager
def loaded(model: nn.Module, parameters: Iterable[nn.Parameter]) -> Iterator[None]:
    """Hold parameters of a model in memory in the block. Those of a model in memory always are."""
    with ExitStack() as stack:
        if found := streamed(model):
            stack.enter_context(found.loaded(parameters))
        yield


@contextmanager
def gradients_to(model: nn.Module, take: Take) -> Iterator[None]:
    """Hand the gradients inside blocks to `take` in the block; `torch.autograd.grad` does not return them.

    Each parameter is handed over once: one on disk during the backward pass, one in memory that blocks share at the end
    of the block. What `torch.autograd.grad` returns for the latter is its gradient outside the blocks.
    """
    found = streamed(model)
    if found is None:
        yield
        return
    found.take = take
    found._open_runs.clear()
    shared = [p for p in model.parameters() if p not in found.places]
    try:
        yield
        for parameter in shared:
            if parameter.grad is not None:
                take(parameter, parameter.grad)
    finally:
        found.take = None
        for parameter in (*shared, *found.places):
            parameter.grad = None


class _Run:
    """The forward pass of a block whose parameters are on disk."""

    def __init__(self, block: nn.Module, weights: Streamed) -> None:
        self.block, self.weights, self.own = block, weights, block.forward

    def __call__(self, *args: object, **kwargs: object) -> object:
        flat, spec = tree_flatten((args, kwargs))
        tensors = [value for value in flat if isinstance(value, torch.Tensor)]
        result: list[object] = []  # Outputs without their tensors, and their structure.

        def run(*own: torch.Tensor) -> tuple[torch.Tensor, ...]:
            values = iter(own)
            filled = [next(values) if isinstance(value, torch.Tensor) else value for value in flat]
            given, options = tree_unflatten(filled, spec)
            outputs, result[:] = _split(self.own(*given, **options))
            return outputs

        if torch.is_grad_enabled():
            if any(isinstance(value, Cache) for value in flat):  # It would get keys and values of both runs.
                raise TglError(
                    f"{type(self.block).__name__}: found a cache of keys and values in a model whose blocks are on "
                    "disk, which runs each block twice; expected none for gradients. Call it with use_cache=False"
                )
            outputs = _Recomputed.apply(run, self.block, self.weights, *tensors)
        else:
            with self.weights.loaded(self.block.parameters()), self.weights.watched(self.block, tensors):
                outputs = run(*tensors)
        values, spec_out = result
        tensors_out = iter(outputs)
        return tree_unflatten(
            [next(tensors_out) if value is _TENSOR else value for value in values], spec_out
        )


_TENSOR = object()


def _split(output: object) -> tuple[tuple[torch.Tensor, ...], list[object]]:
    """Return the tensors of an output, and [its other leaves with marks where tensors were, its structure]."""
    flat, spec = tree_flatten(output)
    tensors = tuple(value for value in flat if isinstance(value, torch.Tensor))
    return tensors, [[_TENSOR if isinstance(value, torch.Tensor) else value for value in flat], spec]


class _Recomputed(torch.autograd.Function):
    """Runs a block without gradients; the backward pass runs it again with them."""

    @staticmethod
    def forward(ctx, run, block, weights, *tensors):
        ctx.run, ctx.block, ctx.weights = run, block, weights
        ctx.save_for_backward(*tensors)
        weights._open_runs[block] += 1
        with weights.loaded(block.parameters()):
            outputs = run(*tensors)
        ctx.mark_non_differentiable(*(value for value in outputs if not value.is_floating_point()))
        return outputs

    @staticmethod
    def backward(ctx, *gradients):
        inputs = [tensor.detach() for tensor in ctx.saved_tensors]
        needs = ctx.needs_input_grad[3:]
        for tensor, need in zip(inputs, needs, strict=True):
            tensor.requires_grad_(need)
        with ctx.weights.loaded(ctx.block.parameters()):
            with torch.enable_grad():
                outputs = ctx.run(*inputs)
            pairs = [(o, g) for o, g in zip(outputs, gradients, strict=True) if o.requires_grad]
            # Without `inputs`, so that hooks inside the block run, whatever requires gradients there.
            torch.autograd.backward([o for o, _ in pairs], [g for _, g in pairs])
            ctx.weights._open_runs[ctx.block] -= 1
            if ctx.weights.take and not ctx.weights._open_runs[ctx.block]:
                for parameter in ctx.block.parameters():
                    if parameter.grad is not None and parameter in ctx.weights.places:
                        gradient, parameter.grad = parameter.grad, None
                        ctx.weights.take(parameter, gradient)
        return None, None, None, *(tensor.grad for tensor in inputs)
