"""Multiply learning rates in the steps of an optimiser whose groups and scheduler belong to other code."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import nn
from torch.optim import Optimizer

from tgl.core.errors import TglError

PER_PARAMETER = ("params", "param_names")


class StepRates:
    """Hooks of an optimiser. Before a step they divide each group by multiplier, after it they restore the groups.

    The division is the same in all phases, because some optimisers number their parameters by group.

    Args:
        optimiser: The optimiser, one of torch or with the interface of `torch.optim.Optimizer`.
        multipliers: The multipliers of each parameter, one for each phase.
        trained: The parameters that some phase trains, by name.

    Attributes:
        number: The number of the current phase. The caller sets it.
        stepped: Whether the optimiser has made a step. The caller resets it.

    Raises:
        TglError: The rates of this optimiser cannot be multiplied.
    """

    def __init__(
        self,
        optimiser: Optimizer,
        multipliers: Mapping[nn.Parameter, tuple[float, ...]],
        trained: Mapping[str, nn.Parameter],
    ) -> None:
        self.optimiser, self.multipliers = optimiser, multipliers
        self.number, self.stepped = 0, False
        self._depth, self._own, self._parts = 0, [], []
        problem = _problem(optimiser, multipliers, trained)
        if problem:
            raise unfit(optimiser, problem)
        optimiser._tgl_step_rates = self
        self._hooks = [
            optimiser.register_step_pre_hook(self._divide),
            optimiser.register_step_post_hook(self._restore),
        ]

    def remove(self) -> None:
        """Remove the hooks. If a step was interrupted, restore the groups."""
        for hook in self._hooks:
            hook.remove()
        if self._depth:
            self.optimiser.param_groups[:] = self._own
        del self.optimiser._tgl_step_rates

    def _divide(self, optimiser: Optimizer, *_) -> None:
        # A step may call the step of its parent class, which calls the hooks again.
        self._depth += 1
        if self._depth > 1:
            return
        self.stepped = True
        self._own = list(optimiser.param_groups)
        self._parts = [self._divided(group) for group in self._own]
        # The list stays the same object, because some optimisers share it with an optimiser inside.
        optimiser.param_groups[:] = [part for parts in self._parts for part in parts]

    def _restore(self, optimiser: Optimizer, *_) -> None:
        self._depth -= 1
        if self._depth:
            return
        optimiser.param_groups[:] = self._own
        for group, parts in zip(self._own, self._parts, strict=True):
            for part in parts:
                if not _same(part["lr"], self._rate(group, part["params"][0])):
                    raise unfit(optimiser, "it changes its rate `lr` in a step")
            for key in {key for part in parts for key in part} - {"lr", *PER_PARAMETER}:
                self._keep_change(group, parts, key)

    def _keep_change(self, group: dict, parts: list[dict], key: str) -> None:
        """Write a setting that the optimiser changed in all parts, such as a count of steps, to the whole group."""
        values = [part.get(key) for part in parts]
        if key in group and all(_same(value, group[key]) for value in values):
            return
        one_phase = all(len(own) == 1 for own in self.multipliers.values())
        if not one_phase or not all(_same(value, values[0]) for value in values):
            raise unfit(self.optimiser, f"it keeps state in its groups ('{key}')")
        group[key] = values[0]

    def _divided(self, group: dict) -> list[dict]:
        settings = {key: value for key, value in group.items() if key not in ("lr", *PER_PARAMETER)}
        parts: dict[tuple[float, ...], dict] = {}
        for index, parameter in enumerate(group["params"]):
            own = self.multipliers[parameter]
            if own not in parts:
                # Copies: an optimiser that counts in a tensor of its group would count once for each part.
                parts[own] = copy.deepcopy(settings) | {"lr": self._rate(group, parameter)}
            for key in PER_PARAMETER:
                if key in group:
                    parts[own].setdefault(key, []).append(group[key][index])
        return list(parts.values())

    def _rate(self, group: dict, parameter: nn.Parameter) -> float | torch.Tensor:
        return group["lr"] * self.multipliers[parameter][self.number]


def inner(optimiser: Optimizer) -> Optimizer:
    """Return the optimiser inside accelerate's wrapper, or the optimiser itself."""
    # tgl does not import accelerate, which is no dependency of it.
    while type(optimiser).__module__.startswith("accelerate."):
        optimiser = optimiser.optimizer
    return optimiser


def unfit(optimiser: object, found: str) -> TglError:
    """Return the error for an optimiser whose rates cannot be multiplied."""
    return TglError(
        f"PlanCallback: the rates of {type(optimiser).__name__} cannot be multiplied. Found: {found}; expected an "
        "optimiser of all trained parameters that reads the rate `lr` of its groups in `step`. Use another one, "
        "such as AdamW"
    )


def _problem(
    optimiser: Optimizer,
    multipliers: Mapping[nn.Parameter, tuple[float, ...]],
    trained: Mapping[str, nn.Parameter],
) -> str | None:
    if not isinstance(optimiser, Optimizer) or not hasattr(optimiser, "_optimizer_step_pre_hooks"):
        return "it has no hooks of torch.optim.Optimizer"
    if optimiser.param_groups is not optimiser.param_groups:
        return "its groups are computed on each access"
    if hasattr(optimiser, "_tgl_step_rates"):
        return "another PlanCallback already multiplies its rates"
    groups = optimiser.param_groups
    if any("units" in group for group in groups):
        return "its groups come from `param_groups` of a plan, so its rates are already multiplied"
    if any(group.get("lr") is None for group in groups):
        return "a group without a rate `lr`"
    held = {parameter for group in groups for parameter in group["params"]}
    missing = [name for name, parameter in trained.items() if parameter not in held]
    if missing:
        return f"it lacks {len(missing)} trained parameters, such as '{missing[0]}'"
    strange = [tuple(parameter.shape) for parameter in held if parameter not in multipliers]
    return f"a parameter of shape {strange[0]} that belongs to no sublayer" if strange else None


def _same(one: object, other: object) -> bool:
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return torch.equal(one, other)
    return one is other or (not isinstance(one, torch.Tensor | type(None)) and one == other)
