"""Divide a causal language model into named sublayers. Each parameter is in exactly one.

A transformer block has the sublayers `attention` and `mlp`, an RWKV block `sequence_mixer` and `channel_mixer`. A block
with a single mixer, such as Mamba's or a GRU's, has the sublayer `mixer`. A block's norm belongs to the sublayer that
it feeds. Embeddings, final norm and output head form the unit `embedding`. The adapters of `tgl.models.k_adapter` form
the unit `adapter`. No ranking includes these two units.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from operator import attrgetter

import torch
from torch import nn

from tgl.core.errors import TglError, nearest
from tgl.core.vocabulary import ADAPTER, EMBEDDING, UNRANKED
from tgl.models.architecture import ARCHITECTURES, BlockLayout
from tgl.models.layouts import LAYOUTS
from tgl.models.quantised import num_scalars
from tgl.models.structure import OUTSIDE, Parts, block_lists, parts_of


@dataclass(frozen=True, eq=False)
class Slice:
    """A part of a parameter.

    Attributes:
        parameter: The parameter.
        dim: A dimension of it.
        index: The indices in this dimension [num_indices].
        outputs: Whether the dimension runs over the outputs of a linear map, or over its inputs.
    """

    parameter: nn.Parameter
    dim: int
    index: torch.Tensor
    outputs: bool

    def of(self, values: torch.Tensor) -> torch.Tensor:
        """Return this part of a tensor in the parameter's shape."""
        return values.index_select(self.dim, self.index)


@dataclass(frozen=True)
class Sublayer:
    """One unit of a model.

    Attributes:
        name: The name, such as `block00.attention`.
        block: Number of the block, -1 outside the blocks.
        part: The part of the block, such as `attention`.
        parameters: The parameters by name.
        output: The module whose output the unit adds to the residual stream; None outside the blocks, and where
            several modules add to it.
        owners: The module of each parameter, by the parameter's name.
        slices: Parts of further parameters that belong to the unit.
    """

    name: str
    block: int
    part: str
    parameters: dict[str, nn.Parameter]
    output: nn.Module | None = field(default=None, compare=False)
    owners: dict[str, nn.Module] = field(default_factory=dict, compare=False)
    slices: tuple[Slice, ...] = field(default=(), compare=False)

    @property
    def num_parameters(self) -> int:
        """Number of scalar parameters, dequantised; a tied weight counts once."""
        whole = sum(num_scalars(own, self.owners.get(name)) for name, own in self.parameters.items())
        return whole + sum(
            s.parameter.numel() // s.parameter.shape[s.dim] * len(s.index) for s in self.slices
        )

    def touched(self) -> list[nn.Parameter]:
        """Return the parameters of the unit, whole or in part."""
        return [*self.parameters.values(), *dict.fromkeys(s.parameter for s in self.slices)]


def sublayers(model: nn.Module) -> list[Sublayer]:
    """Return the model's units in order of depth, `embedding` last.

    A model with K-Adapters also has the unit `adapter`, before `embedding`; the other parameters keep the names that
    they have without adapters. A wrapped model has the units of the inner model (`unwrapped`). The parameters of peft
    adapters belong to the sublayer that contains them.

    Raises:
        TglError: The layout of the architecture is not known, or a block has a child that belongs to no sublayer.
    """
    model = unwrapped(model)
    kind = _kind(model)
    if kind == "tgl_k_adapter":
        *units, embedding = sublayers(model.base)
        adapters = {name: p for name, p in model.named_parameters() if not name.startswith("base.")}
        return [*units, Sublayer(ADAPTER, -1, ADAPTER, adapters, owners=_owners(model, adapters)), embedding]
    units: dict[tuple[int, str], dict[str, nn.Parameter]] = {}
    outputs: dict[tuple[int, str], nn.Module | None] = {}
    places: dict[str, tuple[int, str]] = {}  # Number and part of each child of a block, by path.
    for number, (path, parts) in enumerate(_blocks(model)):
        for part, children in parts.children.items():
            places |= {f"{path}.{child}": (number, part) for child in children}
            output = parts.output.get(part)
            outputs[number, part] = model.get_submodule(f"{path}.{output}") if output else None
    rest: dict[str, nn.Parameter] = {}
    for name, parameter in model.named_parameters():  # A tied weight appears once.
        place = next((places[path] for path in _paths(name) if path in places), None)
        if place is None or place[1] == OUTSIDE:
            rest[name] = parameter
        else:
            units.setdefault(place, {})[name] = parameter
    if not units:
        raise TglError(
            f"model type '{kind}': found no parameter in its blocks, expected at least one. Give a model with blocks"
        )
    found = [
        Sublayer(
            f"block{block:02d}.{part}",
            block,
            part,
            units[block, part],
            outputs[block, part],
            _owners(model, units[block, part]),
        )
        for block, part in sorted(units, key=lambda unit: (unit[0], list(outputs).index(unit)))
    ]
    return [*found, Sublayer(EMBEDDING, -1, EMBEDDING, rest, owners=_owners(model, rest))]


def _blocks(model: nn.Module) -> Iterator[tuple[str, Parts]]:
    """Yield path and parts of each block in order of depth, by the architecture's layout or else by its structure."""
    layout = _known_layout(model)
    for path in [layout.blocks] if layout else block_lists(model):
        for number, block in enumerate(model.get_submodule(path)):
            own = f"{path}.{number}"
            yield own, _by_layout(layout, block, own) if layout else parts_of(block, own)


def block_modules(model: nn.Module) -> list[nn.Module]:
    """Return the modules of the model's blocks in order of depth.

    Raises:
        TglError: As `sublayers`.
    """
    return [model.get_submodule(path) for path, _ in _blocks(model)]


def _by_layout(layout: BlockLayout, block: nn.Module, path: str) -> Parts:
    """Return the parts of a block by a layout.

    Raises:
        TglError: A child that has parameters is not in the layout.
    """
    children = [name for name, child in block.named_children() if any(True for _ in child.parameters())] + [
        name for name, _ in block.named_parameters(recurse=False)
    ]
    parts = {part: [c for c in own if c in children] for part, own in layout.parts.items()}
    parts = {part: own for part, own in parts.items() if own}
    parts[OUTSIDE] = list(layout.outside)
    known = {child for own in parts.values() for child in own}
    for child in children:
        if child not in known:
            raise TglError(
                f"'{path}.{child}' is not a known child of a block, expected one of "
                f"{', '.join(c for own in layout.parts.values() for c in own)}. Add it to the architecture's layout"
            )
    return Parts(parts, {part: own[-1] for part, own in parts.items() if part != OUTSIDE})


def _paths(name: str) -> Iterator[str]:
    """Yield the name of a parameter and the paths that contain it, the longest first."""
    while name:
        yield name
        name = name.rpartition(".")[0]


def unwrapped(model: nn.Module) -> nn.Module:
    """Return the model inside torch.compile, DistributedDataParallel, DataParallel or peft, or the model itself.

    Raises:
        TglError: The wrapper's parameters belong to no sublayer. This holds for wrappers that flatten parameters
            (FSDP) and for peft methods with parameters outside the model (prompt and prefix tuning).
    """
    if not isinstance(model, nn.Module):
        raise TglError(
            f"model: found {type(model).__name__}, expected a causal language model of transformers. "
            "Load it with tgl.load_model"
        )
    while True:
        kind = type(model).__name__
        if "FullyShardedDataParallel" in kind:
            raise TglError(
                f"model: found {kind}, whose flat parameters belong to no sublayer; expected a model with its own "
                "parameters. Pass the model before it is sharded"
            )
        if "_orig_mod" in model._modules:  # torch.compile
            inner = model._orig_mod
        elif isinstance(model, nn.parallel.DistributedDataParallel | nn.DataParallel):
            inner = model.module
        elif type(model).__module__.startswith("peft."):
            inner = _inside_peft(model)
        else:
            return model
        model = inner


def has_adapters(model: nn.Module) -> bool:
    """Return whether the model is wrapped by peft, or holds peft layers."""
    return any(type(module).__module__.startswith("peft.") for module in model.modules())


def _inside_peft(model: nn.Module) -> nn.Module:
    """Return the model inside peft's wrapper or inside one of its tuners."""
    if hasattr(model, "get_base_model"):
        inner = model.get_base_model()
    else:
        inner = model.base_model.model if "base_model" in model._modules else model.model
    known = {id(parameter) for parameter in inner.parameters()}
    outside = [name for name, parameter in model.named_parameters() if id(parameter) not in known]
    if outside:
        raise TglError(
            f"model: found {type(model).__name__} with the parameter '{outside[0]}' outside the model, which belongs "
            "to no sublayer; expected adapters inside the blocks, as with LoRA. Pass the model without them"
        )
    return inner


def _owners(model: nn.Module, names: Iterable[str]) -> dict[str, nn.Module]:
    return {name: model.get_submodule(name.rpartition(".")[0]) for name in names}


def ranked(units: list[Sublayer]) -> Iterator[Sublayer]:
    """Yield the units that a plan ranks: all except `embedding` and `adapter`."""
    return (unit for unit in units if unit.name not in UNRANKED)


def blocks(model: nn.Module) -> nn.ModuleList:
    """Return the model's blocks in order of depth.

    Raises:
        TglError: The architecture has no layout.
    """
    return model.get_submodule(_layout(model).blocks)


def final_norm(model: nn.Module) -> nn.Module:
    """Return the norm between the last block and the output head.

    Raises:
        TglError: The architecture has no layout, the model has no such norm, or the model is RWKV, whose residual
            stream has different scales in evaluation mode and training mode.
    """
    path = _layout(model).norm
    norm = attrgetter(path)(model) if path else None
    if norm is None:
        raise TglError(
            f"model type '{_kind(model)}': K-Adapter found "
            f"{f'no norm at {path!r}' if path else 'a residual stream that is rescaled in evaluation mode'}. "
            f"Use one of {', '.join(sorted(kind for kind, layout in LAYOUTS.items() if layout.norm))}"
        )
    return norm


def _kind(model: nn.Module) -> str:
    return getattr(getattr(model, "config", None), "model_type", type(model).__name__)


def has_layout(model: nn.Module) -> bool:
    """Return whether the architecture is one of `LAYOUTS` or is registered, instead of inferred from its modules."""
    return _known_layout(model) is not None


def _known_layout(model: nn.Module) -> BlockLayout | None:
    kind = _kind(model)
    if kind in LAYOUTS:
        return LAYOUTS[kind]
    return ARCHITECTURES.get(kind).layout if kind in ARCHITECTURES else None


def _layout(model: nn.Module) -> BlockLayout:
    layout, kind = _known_layout(model), _kind(model)
    if layout is None:
        raise TglError(
            f"model type '{kind}': K-Adapter does not know its blocks and norm{nearest(kind, LAYOUTS)}; known are "
            f"{', '.join(sorted(LAYOUTS))}. Use another baseline"
        )
    return layout
