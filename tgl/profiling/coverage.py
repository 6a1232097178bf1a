"""Determine how the per-example gradient norm of each parameter is computed.

The ways, from the cheapest on, are a formula for the modules whose gradient follows from inputs and output gradients
(linear maps, norms with an elementwise weight, embeddings, stacked experts, GRUs); copies of the parameters, one for
each example (`tgl.profiling.copies`); and autograd, one example at a time, for what neither covers. Parameters that
text does not use, such as those of a tower for images, have no gradient.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils._pytree import tree_leaves
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from tgl.core.errors import TglError
from tgl.models.mode import measuring
from tgl.models.streamed import loaded
from tgl.models.sublayers import Sublayer
from tgl.profiling.copies import Copied, Split, leading, split_of
from tgl.profiling.experts import is_experts
from tgl.profiling.recurrent import is_gru
from tgl.profiling.replaced import at_lookup

_FORMULAS = ("linear", "norm", "embedding", "experts", "recurrent")
WAYS = (*_FORMULAS, "copies", "autograd", "unused")
# Batch and time of the trial forward pass, which shows how modules are used. No other size of a model is likely to be
# one of them or their product.
_TRIAL = (3, 7)
_NORM = re.compile(r"Norm(1P)?$")


@dataclass(frozen=True)
class Coverage:
    """How the norm of each parameter is computed.

    Attributes:
        modules: The modules with hooks, by the formula.
        embeddings: All embeddings, at which the graph starts.
        copied: The modules that run with copies of their parameters.
        repeated: The weights of linear maps and norms that act several times in a forward pass.
        autograd: The parameters that autograd differentiates, one example at a time.
        unused: The parameters that got no gradient from text in the trial. Should they get one, the batch is repeated
            one by one.
        num_scalars: Number of scalar parameters by each of `WAYS`; their sum is the model's number of parameters.
    """

    modules: dict[str, list[nn.Module]]
    embeddings: list[nn.Embedding]
    copied: dict[nn.Module, Split]
    repeated: frozenset[nn.Parameter]
    autograd: list[nn.Parameter]
    unused: list[nn.Parameter]
    num_scalars: dict[str, int]

    @property
    def leftover(self) -> list[nn.Parameter]:
        """The parameters whose gradients autograd has to return."""
        return [*self.autograd, *self.unused]


def ways(coverage: Coverage) -> str:
    """Return the shares of the parameters by way, for the log."""
    total, counts = sum(coverage.num_scalars.values()), coverage.num_scalars
    shares = {
        "by formula": sum(counts[way] for way in _FORMULAS),
        "by copies": counts["copies"],
        "by autograd, one example at a time": counts["autograd"],
        "not used by text": counts["unused"],
    }
    return ", ".join(f"{count / total:.1%} {how}" for how, count in shares.items() if count)


@dataclass
class _Use:
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
    uses = _trial(model)
    users: dict[nn.Parameter, list[tuple[nn.Module, str]]] = defaultdict(list)
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            users[parameter].append((module, _way(module, name, uses[module])))
    parameters = [p for unit in units for p in unit.parameters.values()]
    ways = {parameter: _way_of(users[parameter], head) for parameter in parameters}
    uncovered = [p for p in parameters if ways[p] == "autograd"]
    unit_of = {parameter: unit.name for unit in units for parameter in unit.parameters.values()}
    copied = _copied(model, uncovered, users, uses=uses, unit_of=unit_of)
    inside = {m for module in copied for m in module.modules()}
    for parameter in parameters:
        owners = [module for module, _ in users[parameter]]
        if any(owner in inside for owner in owners):
            ways[parameter] = "copies" if all(owner in inside for owner in owners) else "autograd"
    by_way: dict[str, list[nn.Module]] = {way: [] for way in _FORMULAS}
    counts = Counter(dict.fromkeys(WAYS, 0))
    for parameter in parameters:
        counts[ways[parameter]] += parameter.numel()
        if ways[parameter] not in _FORMULAS:
            continue
        for module, own in users[parameter]:
            if own in _FORMULAS and module not in by_way[own]:
                by_way[own].append(module)
    return Coverage(
        modules=by_way,
        embeddings=[
            m for m in model.modules() if isinstance(m, nn.Embedding) and uses[m].fits and uses[m].calls == 1
        ],
        copied=copied,
        repeated=frozenset(
            weight
            for way in ("linear", "norm")
            for weight, count in _calls(by_way[way], uses).items()
            if count > 1
        ),
        autograd=[p for p in parameters if ways[p] == "autograd"],
        unused=[p for p in parameters if ways[p] == "unused"],
        num_scalars=dict(counts),
    )


def _way(module: nn.Module, name: str, use: _Use) -> str:
    """Return the way for a parameter of a module: a formula, `unused` or `autograd`."""
    if not use.calls:
        return "unused"
    if is_experts(module):
        return "experts" if use.calls == 1 else "autograd"
    if is_gru(module):
        return "recurrent" if use.calls == 1 and use.fits and use.single else "autograd"
    kind = formula(module)
    if kind is None or not use.fits or name not in ("weight", "bias"):
        return "autograd"
    if not use.single and kind != "embedding":
        return "autograd"
    return kind if use.calls == 1 or kind != "embedding" else "autograd"


def formula(module: nn.Module) -> str | None:
    """Return the formula for the weight and bias of a module, by its class."""
    if type(module) in (nn.Linear, Conv1D):
        return "linear"
    if isinstance(module, nn.Embedding) and module.max_norm is None and not module.scale_grad_by_freq:
        return "embedding"
    if _NORM.search(type(module).__name__) and next(module.children(), None) is None:
        return "norm"
    return None


def _way_of(users: list[tuple[nn.Module, str]], head: nn.Module) -> str:
    """Return the way for a parameter from those of the modules that hold it."""
    used = [(module, way) for module, way in users if way != "unused"]
    # A container may hold the bias of its child under a name of its own.
    leaves = [(module, way) for module, way in used if next(module.children(), None) is None]
    used = leaves or used
    ways = {way for _, way in used}
    if not used:
        return "unused"
    if len(used) == 1:
        return ways.pop()
    if ways in ({"linear"}, {"norm"}) and head not in (module for module, _ in used):
        return ways.pop()  # Blocks that share weights.
    tied = ways == {"embedding", "linear"} and [m for m, way in used if way == "linear"] == [head]
    return "embedding" if tied else "autograd"


def _calls(modules: Sequence[nn.Module], uses: dict[nn.Module, _Use]) -> Counter[nn.Parameter]:
    counts: Counter[nn.Parameter] = Counter()
    for module in modules:
        if getattr(module, "weight", None) is not None:
            counts[module.weight] += uses[module].calls
    return counts


def _copied(
    model: nn.Module,
    uncovered: Sequence[nn.Parameter],
    users: dict[nn.Parameter, list[tuple[nn.Module, str]]],
    *,
    uses: dict[nn.Module, _Use],
    unit_of: dict[nn.Parameter, str],
) -> dict[nn.Module, Split]:
    """Return the smallest modules around uncovered parameters that run with copies, by a trial of each class.

    A module with parameters of several units, such as a whole block, is too large for copies.
    """
    parents = {child: parent for parent in model.modules() for child in parent.children()}
    works: dict[tuple[type, Split | None], bool] = {}
    found: dict[nn.Module, Split] = {}
    for parameter in uncovered:
        owners = [module for module, way in users[parameter] if way == "autograd"]
        module = owners[0] if len(owners) == 1 else None
        while module is not None and len({unit_of[p] for p in module.parameters()}) == 1:
            if uses[module].fits and uses[module].split and not any(map(_refuses_copies, module.modules())):
                kind = _kind(module, uses[module])
                if kind not in works:
                    tried = next(m for m in uses if uses[m].call and _kind(m, uses[m]) == kind)
                    with loaded(model, tried.parameters()):
                        works[kind] = _works(tried, uses[tried])
                if works[kind]:
                    found[module] = uses[module].split
                    break
            module = parents.get(module)
    inner = {m for module in found for m in module.modules() if m is not module}
    return {module: split for module, split in found.items() if module not in inner}


def _refuses_copies(module: nn.Module) -> bool:
    """Return whether a module has a formula of its own or may change its weights in the forward pass."""
    return is_experts(module) or isinstance(module, nn.Embedding)


def _kind(module: nn.Module, use: _Use) -> tuple[type, Split | None]:
    return type(module), use.split


def _works(module: nn.Module, use: _Use) -> bool:
    """Return whether copies give the result of a module's trial."""
    (args, kwargs), expected = use.call
    anchor = torch.zeros((), device=next(module.parameters()).device)
    run = Copied(module, use.split, batch=_TRIAL[0], anchor=anchor, take=lambda *_: None)
    try:
        with torch.no_grad():
            pairs = list(zip(_tensors(run(*args, **kwargs)), _tensors(expected), strict=True))
    # torch.vmap raises many kinds of errors for what it cannot run. Autograd takes those parameters, and is counted.
    except Exception:
        return False
    return all(one.shape == other.shape and (not one.numel() or _close(one, other)) for one, other in pairs)


def _close(one: torch.Tensor, other: torch.Tensor) -> bool:
    return torch.allclose(one, other, rtol=1e-3, atol=1e-5 * float(other.abs().max()))


def _tensors(value: object) -> Iterator[torch.Tensor]:
    return (leaf for leaf in tree_leaves(value) if isinstance(leaf, torch.Tensor))


def _trial(model: PreTrainedModel) -> dict[nn.Module, _Use]:
    """Return how a small forward pass uses each module."""
    uses = {module: _Use() for module in model.modules()}
    kept: set[tuple[type, Split | None]] = set()
    looked_up: set[nn.Parameter] = set()

    def seen(module: nn.Module, args: tuple, kwargs: dict, output: object) -> None:
        use = uses[module]
        use.calls += 1
        first = next(_tensors(output), None)
        if formula(module) == "embedding":  # Positions can be [1, time] for all.
            use.fits &= isinstance(first, torch.Tensor) and first.dim() == 3 and first.shape[1] == _TRIAL[1]
            use.fits &= module.weight in looked_up
            return
        given = next((value for value in (*args, *kwargs.values()) if isinstance(value, torch.Tensor)), None)
        use.fits &= leading(given, *_TRIAL) and leading(first, *_TRIAL)
        use.single &= len(args) == 1 and not kwargs
        if next(module.parameters(), None) is not None:
            use.split = split_of((args, kwargs), output, batch=_TRIAL[0], time=_TRIAL[1])
            if use.split and _kind(module, use) not in kept:
                kept.add(_kind(module, use))
                use.call = ((args, kwargs), output)

    with measuring(model), ExitStack() as stack, torch.no_grad():
        for module in model.modules():
            stack.callback(module.register_forward_hook(seen, with_kwargs=True).remove)
            if formula(module) == "embedding":
                stack.enter_context(at_lookup(module, lambda m, _, rows: looked_up.add(m.weight) or rows))
        device = next(model.parameters()).device
        size = model.get_input_embeddings().weight.shape[0]
        ids = torch.arange(_TRIAL[0] * _TRIAL[1], device=device).view(_TRIAL) % size
        model(input_ids=ids, use_cache=False)
    return uses
