"""Apply a plan to a model: freeze parameters, and build the optimiser's parameter groups without them."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from tgl.plans.plan import Plan

from tgl.core.errors import TglError
from tgl.models.matrices import units_named
from tgl.models.roles import decays, role
from tgl.models.sublayers import Sublayer, ranked, sublayers, unwrapped


def check_fit(plan: Plan, units: Sequence[Sublayer]) -> None:
    """Check that plan and model have the same sublayers. Warns if these have another number of parameters.

    Raises:
        TglError: The plan names a sublayer that the model lacks, or lacks one that the model has.
    """
    plan.check()
    names = {unit.name for unit in units}
    strange = [name for name in plan.multipliers if name not in names]
    if strange:
        raise TglError(
            f"plan '{plan.method}': the model has no sublayer {strange}; it has {sorted(names)}. Correct the names"
        )
    for unit in units:
        plan.of(unit.name)
    total = sum(unit.num_parameters for unit in ranked(units))
    parameters = [parameter for unit in units for parameter in unit.parameters.values()]
    # Adapters, packed and sharded weights have other numbers than the profiled model.
    plain = all(p.is_floating_point() and not hasattr(p, "ds_id") for p in parameters)
    if (
        plan.total_parameters not in (0, total)
        and plain
        and not any(".lora_" in n for u in units for n in u.parameters)
    ):
        warnings.warn(
            f"plan '{plan.method}': was made for sublayers with {plan.total_parameters:,} parameters, and those of the "
            f"model have {total:,}. Profile this model, or check that the plan is meant for it",
            stacklevel=3,
        )


def freeze(model: nn.Module, plan: Plan) -> list[Sublayer]:
    """Set requires_grad of every parameter according to the plan.

    A parameter that the caller has frozen stays frozen. A parameter that an earlier plan froze is unfrozen if this plan
    trains it. The function warns if the plan trains a unit in which every parameter stays frozen.

    Args:
        model: The model, changed in place.
        plan: The plan; of a plan with phases, the first phase counts.

    Returns:
        The units that the plan freezes.

    Raises:
        TglError: Plan and model have different sublayers, or nothing would be trained.
    """
    units = units_named(model, plan.multipliers)
    check_fit(plan, units)
    frozen = [unit for unit in units if plan.of(unit.name) == 0]
    if len(frozen) == len(units):
        raise TglError(
            f"plan '{plan.method}': every multiplier is 0, so nothing would be trained. Set at least one above 0"
        )
    network = unwrapped(model)
    own = _own_frozen(network)
    parameters = {name: parameter for unit in units for name, parameter in unit.parameters.items()}
    trainable = {name for name, parameter in parameters.items() if parameter.requires_grad or name in own}
    wanted = {name for unit in units if plan.of(unit.name) > 0 for name in unit.parameters}
    if not trainable & wanted:
        raise TglError(
            f"plan '{plan.method}': all {len(wanted)} parameters that it trains were frozen before "
            "(requires_grad=False); expected at least one that is trainable. Unfreeze them, or change the plan"
        )
    idle = [unit.name for unit in units if plan.of(unit.name) > 0 and not trainable & set(unit.parameters)]
    if idle:
        warnings.warn(
            f"plan '{plan.method}': trains {', '.join(idle)}, where every parameter was frozen before "
            "(requires_grad=False); they stay frozen. Unfreeze them first to train them",
            stacklevel=3,
        )
    for name, parameter in parameters.items():
        parameter.requires_grad_(name in trainable & wanted)
    # The mark has only plain types, so that a pickled or copied model keeps it.
    network._tgl_frozen = {"frozen": trainable - wanted, "among": set(parameters)}
    return frozen


def _own_frozen(network: nn.Module) -> set[str]:
    """Return the names of parameters that an earlier plan froze, if no other code has frozen parameters since.

    Other code did if the model's parameters have changed (peft has added adapters), or if none is trainable.
    """
    mark = vars(network).get("_tgl_frozen")
    if mark is None or not any(parameter.requires_grad for parameter in network.parameters()):
        return set()
    names = {name for unit in sublayers(network) for name in unit.parameters}
    return mark["frozen"] if names == mark["among"] else set()


def parameter_groups(
    units: Iterable[Sublayer],
    plan: Plan,
    learning_rate: float,
    *,
    weight_decay: float,
    by_role: bool = False,
) -> list[dict]:
    """Return optimiser groups, one for each (multiplier, weight decay), in a fixed order.

    Parameters without gradients are in no group, and no group is empty.

    Args:
        units: The model's sublayers.
        plan: The plan.
        learning_rate: The learning rate at multiplier 1.
        weight_decay: Weight decay of weights and embeddings. Norms, biases and state parameters have none
            (`tgl.models.roles`).
        by_role: Whether parameters of different roles (`tgl.models.roles.role`) are in different groups.

    Returns:
        Groups with `params`, `lr`, `initial_lr` (learning_rate * multiplier, which the schedule scales),
        `weight_decay`, and `units` and `roles` (the unit and the role of each parameter).
    """
    groups: dict[tuple[float, float, str | None], dict] = {}
    for unit in units:
        multiplier = plan.of(unit.name)
        if multiplier == 0:
            continue
        for name, parameter in unit.parameters.items():
            if not parameter.requires_grad:
                continue
            decay = weight_decay if decays(name, parameter, unit.owners[name]) else 0.0
            rate = learning_rate * multiplier
            own = role(name, parameter, unit.owners[name])
            group = groups.setdefault(
                (multiplier, decay, own if by_role else None),
                {
                    "params": [],
                    "lr": rate,
                    "initial_lr": rate,
                    "weight_decay": decay,
                    "units": [],
                    "roles": [],
                },
            )
            group["params"].append(parameter)
            group["units"].append(unit.name)
            group["roles"].append(own)
    return list(groups.values())


def realised_rates(groups: Iterable[dict]) -> dict[str, float]:
    """Return the current learning rate of each trained unit from the optimiser's groups."""
    return {name: float(group["lr"]) for group in groups for name in group["units"]}
