"""Parameter groups from a plan: frozen parameters are out before an optimiser exists."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence

from torch import nn

from tgl.errors import TglError
from tgl.plans.plan import Plan
from tgl.sublayers import Sublayer, sublayers, unwrapped
from tgl.train.roles import decays


def check_fit(plan: Plan, units: Sequence[Sublayer]) -> None:
    """Raise TglError when the plan names a sublayer that the model lacks, or lacks one that the model has."""
    plan.check()
    names = {unit.name for unit in units}
    strange = [name for name in plan.multipliers if name not in names]
    if strange:
        raise TglError(f"plan '{plan.method}': the model has no sublayer {strange}; it has {sorted(names)}")
    for unit in units:
        plan.of(unit.name)


def freeze(model: nn.Module, plan: Plan) -> list[Sublayer]:
    """Set requires_grad of every parameter as the plan says and return the frozen units.

    Only what is trainable when it is handed over is trained: a parameter that somebody else has frozen stays frozen.
    What an earlier plan froze here is thawed again where this plan trains it. A unit that the plan trains and in which
    everything is frozen gives a warning. Raises TglError when the plan names a sublayer the model lacks, lacks one
    the model has, or trains nothing.
    """
    units = sublayers(model)
    check_fit(plan, units)
    frozen = [unit for unit in units if plan.of(unit.name) == 0]
    if len(frozen) == len(units):
        raise TglError(f"plan '{plan.method}': every multiplier is 0, nothing would be trained")
    network = unwrapped(model)
    own = _own_frozen(network)
    parameters = {name: parameter for unit in units for name, parameter in unit.parameters.items()}
    trainable = {name for name, parameter in parameters.items() if parameter.requires_grad or name in own}
    wanted = {name for unit in units if plan.of(unit.name) > 0 for name in unit.parameters}
    if not trainable & wanted:
        raise TglError(
            f"plan '{plan.method}': all {len(wanted)} parameters that it trains were frozen before "
            "(requires_grad=False); expected at least one that is trainable. Thaw them, or change the plan"
        )
    idle = [unit.name for unit in units if plan.of(unit.name) > 0 and not trainable & set(unit.parameters)]
    if idle:
        warnings.warn(
            f"plan '{plan.method}': trains {', '.join(idle)}, where every parameter was frozen before "
            "(requires_grad=False); they stay frozen. Thaw them first if they are to learn",
            stacklevel=3,
        )
    for name, parameter in parameters.items():
        parameter.requires_grad_(name in trainable & wanted)
    # Of plain types, so that a pickled or copied model keeps it.
    network._tgl_frozen = {"frozen": trainable - wanted, "among": set(parameters)}
    return frozen


def _own_frozen(network: nn.Module) -> set[str]:
    """Return the names of parameters that an earlier plan froze in this model, and nobody else since.

    A model that has other parameters than then (peft has put adapters in), or in which nothing is trainable any more,
    was frozen by somebody else.
    """
    mark = vars(network).get("_tgl_frozen")
    if mark is None or not any(parameter.requires_grad for parameter in network.parameters()):
        return set()
    names = {name for unit in sublayers(network) for name in unit.parameters}
    return mark["frozen"] if names == mark["among"] else set()


def parameter_groups(
    units: Iterable[Sublayer], plan: Plan, learning_rate: float, weight_decay: float
) -> list[dict]:
    """Return optimiser groups, one for each (multiplier, weight decay), in a fixed order, none empty.

    `initial_lr` is learning_rate * multiplier; the schedule scales it. Weight decay acts by role (`tgl.train.roles`):
    on weights and embeddings, not on norms, biases and state parameters. Parameters that take no gradient are in no
    group. `units` names the unit of each parameter.
    """
    groups: dict[tuple[float, float], dict] = {}
    for unit in units:
        multiplier = plan.of(unit.name)
        if multiplier == 0:
            continue
        for name, parameter in unit.parameters.items():
            if not parameter.requires_grad:
                continue
            decay = weight_decay if decays(name, parameter, unit.owners[name]) else 0.0
            rate = learning_rate * multiplier
            group = groups.setdefault(
                (multiplier, decay),
                {"params": [], "lr": rate, "initial_lr": rate, "weight_decay": decay, "units": []},
            )
            group["params"].append(parameter)
            group["units"].append(unit.name)
    return list(groups.values())


def realised_rates(groups: Iterable[dict]) -> dict[str, float]:
    """Return the learning rate of each trained unit, as it stands in the optimiser's groups."""
    return {name: float(group["lr"]) for group in groups for name in group["units"]}
