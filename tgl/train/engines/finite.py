"""Find where a value that is not finite first appears, for the error message."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress

import torch
from torch import nn

from tgl.core.errors import TglError
from tgl.models.sublayers import sublayers


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
    """Yield a tensor [num_names] that counts gradients that are not finite inside the block, for each parameter.

    ZeRO frees a gradient as soon as it has reduced it, so a later check is not possible.
    """
    parameters = dict(module.named_parameters())
    watched = [parameters[name] for name in names]
    bad = torch.zeros(len(watched), device=watched[0].device)

    def counter(place: int) -> Callable[[torch.Tensor], None]:
        def count(gradient: torch.Tensor) -> None:
            bad[place] += ~gradient.isfinite().all()

        return count

    handles = [parameter.register_hook(counter(place)) for place, parameter in enumerate(watched)]
    try:
        yield bad
    finally:
        for handle in handles:
            handle.remove()


def refuse_gradients(number: int, bad: list[str], units: Mapping[str, str]) -> None:
    """Raise the error for gradients that are not finite. It names the parameter nearest to the loss.

    Args:
        number: Number of the step.
        bad: Parameters whose gradient is not finite, in the model's order. The backward pass runs in the opposite
            order, so the problem began at the last one.
        units: The unit of each trained parameter, by the parameter's name.

    Raises:
        TglError: Always.
    """
    raise TglError(
        f"training, step {number}: the loss is finite, but the gradient of '{bad[-1]}' in sublayer "
        f"'{units[bad[-1]]}' is not ({len(bad)} of {len(units)} parameters). No weight was changed, and the last saved "
        "state is kept; lower the learning rate, or check the data of this step"
    )


@torch.no_grad()
def refuse_loss(number: int, model: nn.Module, passes: Iterable[torch.Tensor]) -> None:
    """Raise the error for a loss that is not finite. It names the first module whose output is not finite.

    Args:
        number: Number of the step.
        model: The model.
        passes: The rows of the step, int64 [rows, block] each. The model processes them again.

    Raises:
        TglError: Always.
    """
    found: list[str] = []

    def looking(name: str) -> Callable:
        def look(module: nn.Module, inputs: tuple, output: object) -> None:
            values = output[0] if isinstance(output, tuple) else output
            if not found and torch.is_tensor(values) and not values.isfinite().all():
                found.append(name)

        return look

    # Only modules with their own parameters have hooks, because a parent's output is the output of its last child.
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
        f"training, step {number}: the loss is not finite; {where}. No weight was changed, and the last saved state "
        "is kept; lower the learning rate, or check the data of this step"
    )


def _described(model: nn.Module, module: str) -> str:
    """Return the name of a module and, if it is known, of its sublayer."""
    with suppress(TglError):
        for unit in sublayers(model):
            if any(name.rpartition(".")[0] == module for name in unit.parameters):
                return f"'{module}' in sublayer '{unit.name}'"
    return f"'{module}'"
