"""Determine how the per-example gradient norm of each parameter is computed.

The ways, from the cheapest on, are a formula for the modules whose gradient follows from inputs and output gradients
(linear maps, norms with an elementwise weight, embeddings, stacked experts, GRUs); copies of the parameters, one for
each example (`tgl.profiling.copies`); and autograd, one example at a time, for what neither covers. Parameters that
text does not use, such as those of a tower for images, have no gradient.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from transformers import PreTrainedModel

from tgl.core.errors import TglError
from tgl.models.quantised import num_scalars
from tgl.models.streamed import loaded
from tgl.models.sublayers import Slice, Sublayer
from tgl.profiling.copies import Copied, Split
from tgl.profiling.experts import is_experts
from tgl.profiling.recurrent import is_gru
from tgl.profiling.trial import TRIAL, Use, formula, kind_of, tensors, trial

_FORMULAS = ("linear", "norm", "embedding", "experts", "recurrent")
WAYS = (*_FORMULAS, "copies", "autograd", "unused")


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
        slices: The parts of weights and biases of linear maps that units need, by parameter.
        num_scalars: Number of scalar parameters by each of `WAYS`; their sum is the model's number of parameters.
    """

    modules: dict[str, list[nn.Module]]
    embeddings: list[nn.Embedding]
    copied: dict[nn.Module, Split]
    repeated: frozenset[nn.Parameter]
    autograd: list[nn.Parameter]
    unused: list[nn.Parameter]
    num_scalars: dict[str, int]
    slices: dict[nn.Parameter, list[Slice]]

    @property
    def leftover(self) -> list[nn.Parameter]:
        """The parameters whose gradients autograd has to return."""
        return [p for p in (*self.autograd, *self.unused) if p.is_floating_point()]


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


def cover(model: PreTrainedModel, units: Sequence[Sublayer]) -> Coverage:
    """Determine how to compute the norm of each parameter, from one small forward pass. The model does not change.

    Raises:
        TglError: The model has no output head, or a quantised weight that no formula covers.
    """
    head = model.get_output_embeddings()
    if head is None:
        raise TglError(
            f"{type(model).__name__}: no output head (get_output_embeddings() is None). Give a causal language model"
        )
    uses = trial(model)
    users: dict[nn.Parameter, list[tuple[nn.Module, str]]] = defaultdict(list)
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            users[parameter].append((module, _way(module, name, uses[module])))
    parameters = list(dict.fromkeys(p for unit in units for p in unit.touched()))
    ways = {parameter: _way_of(users[parameter], head) for parameter in parameters}
    uncovered = [p for p in parameters if ways[p] == "autograd"]
    # The heads of a sublayer count as one.
    unit_of = {p: f"{unit.block}.{unit.part}" for unit in units for p in unit.touched()}
    copied = _copied(model, uncovered, users, uses=uses, unit_of=unit_of)
    inside = {m for module in copied for m in module.modules()}
    for parameter in parameters:
        owners = [module for module, _ in users[parameter]]
        if any(owner in inside for owner in owners):
            ways[parameter] = "copies" if all(owner in inside for owner in owners) else "autograd"
    for parameter in parameters:
        if not parameter.is_floating_point() and ways[parameter] not in ("linear", "unused"):
            raise TglError(
                f"{type(model).__name__}: a quantised weight of a {type(users[parameter][0][0]).__name__} is used in a "
                "way that the formula of linear maps does not cover, and autograd cannot differentiate it. Load the "
                "model without quantisation"
            )
    by_way: dict[str, list[nn.Module]] = {way: [] for way in _FORMULAS}
    counts = Counter(dict.fromkeys(WAYS, 0))
    for parameter in parameters:
        counts[ways[parameter]] += num_scalars(parameter, users[parameter][0][0])
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
        slices=_slices(units, ways),
    )


def _slices(units: Sequence[Sublayer], ways: Mapping[nn.Parameter, str]) -> dict[nn.Parameter, list[Slice]]:
    """Return the parts of each parameter.

    Raises:
        TglError: A parameter with parts is not that of a linear map that acts once.
    """
    found: dict[nn.Parameter, list[Slice]] = defaultdict(list)
    for unit in units:
        for part in unit.slices:
            if ways[part.parameter] != "linear":
                raise TglError(
                    f"profile.unit: a matrix of '{unit.name}' is measured by {ways[part.parameter]}, expected by the "
                    "formula of linear maps. Use the unit 'module' or 'sublayer'"
                )
            found[part.parameter].append(part)
    return dict(found)


def _way(module: nn.Module, name: str, use: Use) -> str:
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


def _calls(modules: Sequence[nn.Module], uses: dict[nn.Module, Use]) -> Counter[nn.Parameter]:
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
    uses: dict[nn.Module, Use],
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
                kind = kind_of(module, uses[module])
                if kind not in works:
                    tried = next(m for m in uses if uses[m].call and kind_of(m, uses[m]) == kind)
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


def _works(module: nn.Module, use: Use) -> bool:
    """Return whether copies give the result of a module's trial."""
    (args, kwargs), expected = use.call
    anchor = torch.zeros((), device=next(module.parameters()).device)
    run = Copied(module, use.split, batch=TRIAL[0], anchor=anchor, take=lambda *_: None)
    try:
        with torch.no_grad():
            pairs = list(zip(tensors(run(*args, **kwargs)), tensors(expected), strict=True))
    # torch.vmap raises many kinds of errors for what it cannot run. Autograd takes those parameters, and is counted.
    except Exception:
        return False
    return all(one.shape == other.shape and (not one.numel() or _close(one, other)) for one, other in pairs)


def _close(one: torch.Tensor, other: torch.Tensor) -> bool:
    return torch.allclose(one, other, rtol=1e-3, atol=1e-5 * float(other.abs().max()))
