"""Find the parameters whose per-example gradient norms follow from a formula, and hook the model to collect them.

A formula covers a parameter if all its uses are modules of a known kind that process [batch, time, ...] once per
forward pass: linear maps (nn.Linear, GPT-2's Conv1D), norms with an elementwise weight, embeddings, and an embedding
tied to the output head. Autograd differentiates every other parameter, one example at a time.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.func import functional_call
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from tgl.core.errors import TglError
from tgl.models.mode import measuring
from tgl.models.sublayers import Sublayer
from tgl.profiling import squares

WAYS = ("linear", "norm", "embedding", "autograd")
_TRIAL = (2, 4)  # Batch and time of the trial forward pass, which shows how modules are used.


@dataclass(frozen=True)
class Coverage:
    """How the norm of each parameter is computed.

    Attributes:
        modules: The modules with hooks, by the formula (`WAYS`).
        embeddings: All plain embeddings, at which the graph starts.
        autograd: The parameters that autograd differentiates.
        num_scalars: Number of scalar parameters by each of `WAYS`; their sum is the model's number of parameters.
    """

    modules: dict[str, list[nn.Module]]
    embeddings: list[nn.Embedding]
    autograd: list[nn.Parameter]
    num_scalars: dict[str, int]


def cover(model: PreTrainedModel, units: Sequence[Sublayer]) -> Coverage:
    """Determine how to compute the norm of each parameter, from one small forward pass. The model does not change.

    Raises:
        TglError: The model has no output head.
    """
    head = model.get_output_embeddings()
    if head is None:
        raise TglError(
            f"{type(model).__name__}: no output head (get_output_embeddings() is None). Give a causal language model"
        )
    calls = _trial(model)
    users: dict[nn.Parameter, list[tuple[nn.Module, str]]] = defaultdict(list)
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            seen = calls[module] == 1 and name in ("weight", "bias")
            users[parameter].append((module, _way(module) if seen else "autograd"))
    by_way: dict[str, list[nn.Module]] = {way: [] for way in WAYS[:-1]}
    counts, autograd = Counter(dict.fromkeys(WAYS, 0)), []
    for parameter in (p for unit in units for p in unit.parameters.values()):
        ways = {way for _, way in users[parameter]}
        tied = ways == {"embedding", "linear"} and [m for m, way in users[parameter] if way == "linear"] == [
            head
        ]
        way = "embedding" if tied else ways.pop() if len(users[parameter]) == 1 else "autograd"
        counts[way] += parameter.numel()
        if way == "autograd":
            autograd.append(parameter)
            continue
        for module, own in users[parameter]:
            if module not in by_way[own]:
                by_way[own].append(module)
    embeddings = [m for m in model.modules() if type(m) is nn.Embedding and calls[m] == 1]
    return Coverage(by_way, embeddings, autograd, dict(counts))


def _way(module: nn.Module) -> str:
    if type(module) in (nn.Linear, Conv1D):
        return "linear"
    if type(module) is nn.Embedding and module.max_norm is None and not module.scale_grad_by_freq:
        return "embedding"
    if type(module) in (nn.LayerNorm, nn.RMSNorm) or type(module).__name__.endswith("RMSNorm"):
        return "norm"
    return "autograd"


def _trial(model: PreTrainedModel) -> Counter[nn.Module]:
    """Return how often each module was called with [batch, time, ...]; no formula covers 2 or more calls."""
    calls: Counter[nn.Module] = Counter()

    def seen(module: nn.Module, inputs: tuple, output: object) -> None:
        fits = len(inputs) == 1 and isinstance(output, torch.Tensor) and output.dim() >= 3
        if fits and _way(module) == "norm":  # Norms of queries and keys have heads.
            fits = output.shape[0] == _TRIAL[0] and _TRIAL[1] in output.shape[1:-1]
        elif fits and type(module) is nn.Embedding:  # Positions can be [1, time] for all.
            fits = inputs[0].shape == output.shape[:2] and output.shape[1] == _TRIAL[1]
        elif fits:
            fits = output.dim() == 3 and output.shape[:2] == inputs[0].shape[:2] == _TRIAL
        calls[module] += 1 if fits else 2

    with measuring(model), ExitStack() as stack, torch.no_grad():
        for module in model.modules():
            if not list(module.children()):
                stack.callback(module.register_forward_hook(seen).remove)
        device = next(model.parameters()).device
        model(input_ids=torch.zeros(_TRIAL, dtype=torch.long, device=device), use_cache=False)
    return calls


@dataclass
class Capture:
    """The results of the hooks in one forward and backward pass.

    Attributes:
        starts: Tensors at which the graph starts because the weights before them need no gradient.
        squares: The squared gradient norm of each example [batch], by parameter.
    """

    starts: list[torch.Tensor] = field(default_factory=list)
    squares: dict[nn.Parameter, torch.Tensor] = field(default_factory=dict)
    # For each tied weight: inputs and gradients of head or embedding, until those of the other arrive.
    _halves: dict[nn.Parameter, tuple[torch.Tensor, torch.Tensor]] = field(default_factory=dict)

    def add(self, parameter: nn.Parameter, found: torch.Tensor) -> None:
        """Add a contribution to the squared norms of a parameter; a tied weight has several."""
        self.squares[parameter] = self.squares[parameter] + found if parameter in self.squares else found

    def tie(self, weight: nn.Parameter, seen: torch.Tensor, gradients: torch.Tensor) -> None:
        """Add the cross term of a weight that is both embedding (`seen` are ids) and output head (inputs)."""
        if weight not in self._halves:
            self._halves[weight] = (seen, gradients)
            return
        halves = (self._halves.pop(weight), (seen, gradients))
        head, embedding = sorted(halves, key=lambda half: not half[0].is_floating_point())
        product = squares.tied_products(*embedding, head[0], head_gradients=head[1])
        self.add(weight, 2 * product)


@contextmanager
def hooked(model: PreTrainedModel, coverage: Coverage, positions: torch.Tensor) -> Iterator[Capture]:
    """Hook the model for one forward and backward pass over a batch.

    The output head only receives the positions that predict targets, so the logits are [batch, targets, vocabulary].
    During the backward pass, the gradients of the hooked modules' outputs give `Capture.squares`.

    Args:
        model: The model.
        coverage: The result of `cover`.
        positions: The positions that predict targets [batch, targets].
    """
    capture, batch, head = Capture(), len(positions), model.get_output_embeddings()
    tied = {id(m.weight) for m in coverage.modules["embedding"]} & {id(head.weight)}

    def at_targets(module: nn.Module, inputs: tuple) -> tuple:
        hidden = inputs[0]
        return (hidden.gather(1, positions[:, :, None].expand(-1, -1, hidden.shape[2])), *inputs[1:])

    def start(module: nn.Embedding, inputs: tuple, output: torch.Tensor) -> torch.Tensor:
        # The output can require gradients because of the caller's hooks, so this looks at the weight.
        if not module.weight.requires_grad:
            output = output.detach().requires_grad_()
            capture.starts.append(output)
        # Positions that the batch shares need one gradient per example. A leaf needs a view to hook.
        output = output.expand(batch, -1, -1)
        if module in coverage.modules["embedding"]:
            ids = inputs[0].expand(batch, -1)
            output.register_hook(lambda gradients: embedding(module, ids, gradients))
        return output

    def embedding(module: nn.Embedding, ids: torch.Tensor, gradients: torch.Tensor) -> None:
        if module.padding_idx is not None:  # The padding row gets no gradient.
            gradients = gradients.masked_fill((ids == module.padding_idx)[:, :, None], 0)
        capture.add(module.weight, squares.embedding_squares(ids, gradients))
        if id(module.weight) in tied:
            capture.tie(module.weight, ids, gradients)

    def linear(module: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
        seen = inputs[0].detach()
        output.register_hook(lambda gradients: linear_back(module, seen, gradients))

    def linear_back(module: nn.Module, seen: torch.Tensor, gradients: torch.Tensor) -> None:
        capture.add(module.weight, squares.linear_squares(seen, gradients))
        if module.bias is not None:
            capture.add(module.bias, squares.bias_squares(gradients))
        if module is head and id(module.weight) in tied:
            capture.tie(module.weight, seen, gradients)

    def norm(module: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
        if not output.requires_grad:  # _scaled_by_weight calls the module again.
            return
        seen = inputs[0].detach()
        output.register_hook(lambda gradients: norm_back(module, seen, gradients))

    def norm_back(module: nn.Module, seen: torch.Tensor, gradients: torch.Tensor) -> None:
        bias = getattr(module, "bias", None)
        if module.weight is not None:
            capture.add(module.weight, squares.scale_squares(_scaled_by_weight(module, seen), gradients))
        if bias is not None:
            capture.add(bias, squares.bias_squares(gradients))

    with ExitStack() as stack:
        stack.callback(head.register_forward_pre_hook(at_targets).remove)
        for module in coverage.embeddings:
            stack.callback(module.register_forward_hook(start).remove)
        for way, hook in (("linear", linear), ("norm", norm)):
            for module in coverage.modules[way]:
                stack.callback(module.register_forward_hook(hook).remove)
        yield capture


@torch.no_grad()
def _scaled_by_weight(module: nn.Module, seen: torch.Tensor) -> torch.Tensor:
    """Return the factor x of a norm's weight, for modules that compute weight * x or (1 + weight) * x."""
    bias = {"bias": torch.zeros_like(module.bias)} if getattr(module, "bias", None) is not None else {}
    one, zero = torch.ones_like(module.weight), torch.zeros_like(module.weight)
    found = functional_call(module, {"weight": one, **bias}, (seen,))
    if type(module) in (nn.LayerNorm, nn.RMSNorm):
        return found
    return found - functional_call(module, {"weight": zero, **bias}, (seen,))
