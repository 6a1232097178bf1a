"""Parameter groups from a plan: frozen parameters are out before an optimiser exists."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from tgl.errors import TglError
from tgl.plans.plan import Plan
from tgl.sublayers import Sublayer, sublayers


def freeze(model: nn.Module, plan: Plan) -> list[Sublayer]:
    """Set requires_grad of every parameter as the plan says and return the frozen units.

    Raises TglError when the plan names a sublayer the model lacks, lacks one the model has, or trains nothing.
    """
    units = sublayers(model)
    names = {unit.name for unit in units}
    strange = [name for name in plan.multipliers if name not in names]
    if strange:
        raise TglError(f"plan '{plan.method}': the model has no sublayer {strange}; it has {sorted(names)}")
    frozen = [unit for unit in units if plan.of(unit.name) == 0]
    if len(frozen) == len(units):
        raise TglError(f"plan '{plan.method}': every multiplier is 0, nothing would be trained")
    for unit in units:
        for parameter in unit.parameters.values():
            parameter.requires_grad_(plan.of(unit.name) > 0)
    return frozen


def parameter_groups(
    units: Iterable[Sublayer], plan: Plan, learning_rate: float, weight_decay: float
) -> list[dict]:
    """Return optimiser groups, one for each (multiplier, weight decay), in a fixed order, none empty.

    `initial_lr` is learning_rate * multiplier; the schedule scales it. Weight decay acts on matrices and
    embeddings, not on vectors (biases and norms), as in GPT-2's usual recipe. `units` names the unit of each
    parameter.
    """
    groups: dict[tuple[float, float], dict] = {}
    for unit in units:
        multiplier = plan.of(unit.name)
        if multiplier == 0:
            continue
        for parameter in unit.parameters.values():
            decay = weight_decay if parameter.dim() >= 2 else 0.0
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
