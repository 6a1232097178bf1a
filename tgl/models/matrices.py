"""Divide sublayers further into units of one matrix each, for profiles and plans by matrix.

Each module with a weight of two or more dimensions is a unit, such as `block00.attention.q_proj`, and so is each stack
of experts. The norm of a sublayer, and parameters of the mixer itself, belong to the sublayer's first matrix.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from torch import nn

from tgl.core.errors import TglError
from tgl.core.vocabulary import UNRANKED
from tgl.models.heads import head_units
from tgl.models.sublayers import Sublayer, sublayers


def model_units(model: nn.Module, unit: str, *, adapters: bool = False) -> list[Sublayer]:
    """Return the units of a model, either of its own parameters or of those of its peft adapters.

    Args:
        model: The model.
        unit: `sublayer`, `module` or `head`.
        adapters: Whether to return the adapters' parameters, in units with the names of the sublayers that contain
            them. Units without adapters are left out.

    Raises:
        TglError: As `tgl.models.sublayers.sublayers`; or the model has no active adapters.
    """
    found = sublayers(model)
    added = adapter_parameters(model)
    if adapters and not added:
        raise TglError(
            f"{type(model).__name__}: has no peft adapters, expected some to measure. Leave out `adapters`"
        )
    idle = [name for name, m in model.named_modules() if hasattr(m, "base_layer") and _is_idle(m)]
    if adapters and idle:
        raise TglError(
            f"{type(model).__name__}: the adapter of '{idle[0]}' is merged or disabled, expected active ones to "
            "measure. Call unmerge_adapter or enable_adapter_layers first"
        )
    if added:
        found = list(_chosen(found, lambda parameter: (parameter in added) == adapters))
    if unit == "head":
        return list(head_units(model, found))
    return found if unit == "sublayer" else list(_by_matrix(found))


def _is_idle(layer: nn.Module) -> bool:
    """Return whether peft's layer has merged or disabled its adapters, so that they have no gradient."""
    return bool(getattr(layer, "merged", False) or getattr(layer, "disable_adapters", False))


def adapter_parameters(model: nn.Module) -> set[nn.Parameter]:
    """Return the parameters that peft has added to a model: all of its layers, but those of the layers inside."""
    layers = [
        m for m in model.modules() if type(m).__module__.startswith("peft.") and hasattr(m, "base_layer")
    ]
    own = {parameter for layer in layers for parameter in layer.parameters()}
    return own - {
        parameter
        for layer in layers
        if not type(layer.base_layer).__module__.startswith("peft.")
        for parameter in layer.base_layer.parameters()
    }


def _chosen(units: Iterable[Sublayer], keeps: Callable[[nn.Parameter], bool]) -> Iterator[Sublayer]:
    for unit in units:
        kept = {name: parameter for name, parameter in unit.parameters.items() if keeps(parameter)}
        if kept:
            yield replace(unit, parameters=kept, owners={name: unit.owners[name] for name in kept})


def units_named(model: nn.Module, names: Iterable[str]) -> list[Sublayer]:
    """Return the units of a model that names belong to: its matrices if all names are those of matrices.

    A plan for another model has other names; it gets the sublayers, with which `check_fit` compares it.
    """
    found = sublayers(model)
    own = {unit.name for unit in found}
    names = [name for name in names if name not in UNRANKED]
    if any(name in own for name in names):
        return found
    matrices = list(_by_matrix(found))
    return matrices if any(unit.name in names for unit in matrices) else found


def _by_matrix(units: Iterable[Sublayer]) -> Iterator[Sublayer]:
    for unit in units:
        if unit.name in UNRANKED:
            yield unit
            continue
        matrices = {name: _matrix(name, unit) for name in unit.parameters}
        order = list(dict.fromkeys(matrix for matrix in matrices.values() if matrix))
        if not order:
            yield unit
            continue
        for matrix in order:
            names = [
                n for n, own in matrices.items() if own == matrix or (own is None and matrix == order[0])
            ]
            module = next(unit.owners[name] for name in names if matrices[name] == matrix)
            yield Sublayer(
                f"{unit.name}.{_short(matrix, order)}",
                unit.block,
                unit.part,
                {name: unit.parameters[name] for name in names},
                module,
                {name: unit.owners[name] for name in names},
            )


def _matrix(name: str, unit: Sublayer) -> str | None:
    """Return the path of the matrix that a parameter belongs to; None for norms and parameters of the mixer."""
    path, _, last = name.rpartition(".")
    owner = unit.owners[name]
    own = dict(owner.named_parameters(recurse=False))
    if "weight" in own:  # A bias belongs to the weight of its module.
        return path if own["weight"].dim() > 1 else None
    if unit.parameters[name].dim() > 2:
        return name
    stacked = f"{path}.{last.removesuffix('_bias')}"
    return stacked if stacked != name and stacked in unit.parameters else None


def _short(matrix: str, others: list[str]) -> str:
    """Return the shortest end of a path that no other path has."""
    parts = matrix.split(".")
    for size in range(1, len(parts)):
        end = ".".join(parts[-size:])
        if sum(other == end or other.endswith(f".{end}") for other in others) == 1:
            return end
    return matrix
