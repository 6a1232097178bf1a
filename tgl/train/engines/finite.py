"""Where a value that is not finite first appears: what a stopped run names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress

import torch
from torch import nn

from tgl.errors import TglError
from tgl.sublayers import sublayers


def owners(module: nn.Module, groups: list[dict]) -> dict[str, str]:
    """Return the unit of each trained parameter by the parameter's name, in the model's order."""
    unit_of = {
        id(parameter): unit
        for group in groups
        for parameter, unit in zip(group["params"], group["units"], strict=True)
    }
    return {
        name: unit_of[id(parameter)]
        for name, parameter in module.named_parameters()
        if id(parameter) in unit_of
    }


@contextmanager
def watched_gradients(module: nn.Module, names: Iterable[str]) -> Iterator[torch.Tensor]:
    """Yield a tensor [num_names] that grows where a gradient that is not finite arrives inside the block.

    Under ZeRO a gradient is handed on and dropped as soon as it is there; afterwards nobody can look.
    """
    parameters = dict(module.named_parameters())
    watched = [parameters[name] for name in names]
    bad = torch.zeros(len(watched), device=watched[0].device)

    def noting(place: int) -> Callable[[torch.Tensor], None]:
        def note(gradient: torch.Tensor) -> None:
            bad[place] += ~gradient.isfinite().all()

        return note

    handles = [parameter.register_hook(noting(place)) for place, parameter in enumerate(watched)]
    try:
        yield bad
    finally:
        for handle in handles:
            handle.remove()


def refuse_gradients(number: int, bad: list[str], units: Mapping[str, str]) -> None:
    """Raise TglError naming the sublayer nearest to the loss among parameters whose gradient is not finite.

    bad: parameters in the model's order; the backward pass runs the other way, so the last one is where it began.
    """
    raise TglError(
        f"training, step {number}: the loss is finite and the gradient of '{bad[-1]}' in sublayer '{units[bad[-1]]}' "
        f"is not ({len(bad)} of {len(units)} parameters); no weight was changed and the last saved state is "
        "kept; lower the learning rate, or look into the data of this step"
    )


@torch.no_grad()
def refuse_loss(number: int, model: nn.Module, passes: Iterable[torch.Tensor]) -> None:
    """Raise TglError naming the first module, in order of execution, that gives a value that is not finite.

    passes: the rows of the step, int64 [rows, block] each, passed once more.
    """
    found: list[str] = []

    def looking(name: str) -> Callable:
        def look(module: nn.Module, inputs: tuple, output: object) -> None:
            values = output[0] if isinstance(output, tuple) else output
            if not found and torch.is_tensor(values) and not values.isfinite().all():
                found.append(name)

        return look

    # Only modules that own parameters: whatever holds them would be named along with them.
    handles = [
        module.register_forward_hook(looking(name))
        for name, module in model.named_modules()
        if next(module.parameters(recurse=False), None) is not None
    ]
    try:
        for part in passes:
            model(input_ids=part)
    finally:
        for handle in handles:
            handle.remove()
    where = (
        f"it begins in {_described(model, found[0])}" if found else "no module's output shows where it begins"
    )
    raise TglError(
        f"training, step {number}: the loss is not finite; {where}; no weight was changed and the last saved state "
        "is kept; lower the learning rate, or look into the data of this step"
    )


def _described(model: nn.Module, module: str) -> str:
    """Return a module's name with its sublayer's, which a model wrapped in adapters does not tell."""
    with suppress(TglError):
        for unit in sublayers(model):
            if any(name.rpartition(".")[0] == module for name in unit.parameters):
                return f"'{module}' in sublayer '{unit.name}'"
    return f"'{module}'"
