"""Baselines that train only parts of the weights of a plan's sublayers, and freeze the rest exactly.

A mask selects the entries of a parameter that are trained. Gradients of the others are set to zero in the backward
pass, so AdamW's moments stay zero there. A parameter with a mask has no weight decay, because the decay would move its
frozen entries. At the end of a period every frozen entry is compared with its value before the period.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tgl.core.errors import TglError
from tgl.train.baseline import Baseline, Prepared

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from tgl.plans.plan import Plan
    from tgl.train.run import Period


@dataclass(frozen=True)
class Masked(Prepared):
    """What a period with masks trains.

    Attributes:
        masks: Masks of partly or wholly frozen parameters by name, bool in the parameter's shape.
        before: The values of these parameters before the period.
    """

    masks: Mapping[str, torch.Tensor]
    before: Mapping[str, torch.Tensor]


class MaskedBaseline(Baseline, ABC):
    """Plain training of the entries that `masks` selects. Derived classes implement `masks`."""

    partitions = False

    @abstractmethod
    def masks(self, period: Period) -> dict[str, torch.Tensor]:
        """Return the masks of all parameters that the period may train, by name, bool in the parameter's shape.

        A parameter without a mask is frozen; one whose mask selects every entry is trained as without a mask.
        """

    def prepare(self, period: Period) -> Masked:
        """See `Baseline`.

        Raises:
            TglError: The masks select nothing.
        """
        import torch

        whole = super().prepare(period)
        masks = self.masks(period)
        if not any(mask.any() for mask in masks.values()):
            raise TglError(
                f"plan '{period.plan.method}': found no weight to train, expected at least one. Raise the share"
            )
        parameters = {name: p for unit in whole.units for name, p in unit.parameters.items()}
        parts = {name: mask for name, mask in masks.items() if mask.any() and not mask.all()}
        frozen = [p for name, p in parameters.items() if name not in masks or not masks[name].any()]
        for name, mask in parts.items():
            parameters[name].requires_grad_(True)  # Only such a parameter accepts a hook.
            parameters[name].register_hook(_multiplied_by(mask))
        partly = {id(parameters[name]) for name in parts}

        def groups(phase: Plan) -> list[dict]:
            # What an earlier phase has frozen here must not count as frozen by the caller.
            for parameter in frozen:
                parameter.requires_grad_(True)
            found = whole.groups(phase)
            for parameter in frozen:
                parameter.requires_grad_(False)
            if not (own := _regrouped(found, partly)):
                raise TglError(
                    f"plan '{phase.method}': a phase trains none of the chosen weights, expected at least one. Raise "
                    "the share, or use this plan with another baseline"
                )
            return own

        trained = {
            unit.name
            for unit in whole.units
            if unit.name in whole.trained
            and any(name in masks and masks[name].any() for name in unit.parameters)
        }
        # Units that nothing trains are compared by the caller. Whole frozen parameters of the others are compared here.
        rest = {
            name: torch.zeros_like(p, dtype=torch.bool)
            for unit in whole.units
            if unit.name in trained
            for name, p in unit.parameters.items()
            if name not in masks or not masks[name].any()
        }
        checked = parts | rest
        before = {name: parameters[name].detach().clone() for name in checked}
        return Masked(period.model, whole.units, trained, groups, checked, before)

    def finish(self, period: Period, prepared: Prepared) -> PreTrainedModel:
        """See `Baseline`. Check that every frozen entry has its value of before the period.

        Raises:
            TglError: It has not.
        """
        parameters = dict(period.model.named_parameters())
        for name, mask in prepared.masks.items():
            moved = (parameters[name].detach() != prepared.before[name]) & ~mask
            if moved.any():
                raise TglError(
                    f"{name}: {int(moved.sum())} of {int((~mask).sum())} frozen entries have changed, expected none. "
                    "Please report this with the plan and the model"
                )
        return period.model


def _multiplied_by(mask: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda gradient: gradient * mask


def _regrouped(groups: list[dict], partly: set[int]) -> list[dict]:
    """Return optimiser groups in which frozen parameters are missing and partly trained ones have no weight decay."""
    found: dict[tuple[float, float], dict] = {}
    for group in groups:
        for parameter, unit in zip(group["params"], group["units"], strict=True):
            if not parameter.requires_grad:
                continue
            decay = 0.0 if id(parameter) in partly else group["weight_decay"]
            empty = group | {"params": [], "units": [], "weight_decay": decay}
            own = found.setdefault((group["initial_lr"], decay), empty)
            own["params"].append(parameter)
            own["units"].append(unit)
    return list(found.values())


def lowest(values: torch.Tensor, share: float) -> torch.Tensor:
    """Return the mask of the smallest values (1 dimension); their number is `share` of all, rounded, at least one."""
    import torch

    chosen = torch.zeros_like(values, dtype=torch.bool)
    chosen[values.argsort(stable=True)[: max(1, round(share * len(values)))]] = True
    return chosen
