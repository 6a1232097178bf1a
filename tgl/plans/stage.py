"""Stage `plan`: one method's plan from the table `profile`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from tgl.config import PlanConfig
from tgl.errors import TglError
from tgl.plans.names import parse_plan
from tgl.plans.plan import Plan, save_plan
from tgl.plans.policies import Unit, make_plan
from tgl.sublayer_names import UNRANKED
from tgl.tables import read_table


def write_plan(
    profile: str | Path,
    method: str,
    settings: PlanConfig,
    seed: int,
    output: str | Path,
    model: Path | None = None,
    borrowed: Path | None = None,
) -> str:
    """Write the plan as JSON and return it as a table to read.

    model: the profiled one, for `spectrum`. borrowed: the table `profile` of another experiment, for plans named so.
    Raises TglError where the borrowed profile ranks other sublayers than the model's own.
    """
    network = None
    if model is not None and parse_plan(method).policy == "spectrum":
        from tgl.train.checkpoint import load_model

        network = load_model(model)
    rows = read_table(profile, "profile").to_pylist()
    if parse_plan(method).borrowed:
        rows = _borrowed(rows, method, profile, borrowed)
    plan, units = plan_from(rows, method, settings, seed, str(profile), network)
    save_plan(plan, output)
    return describe(plan, units)


def _borrowed(rows: list[dict], method: str, profile: str | Path, borrowed: Path | None) -> list[dict]:
    """Return the other profile's rows once they are seen to speak of the same sublayers."""
    if borrowed is None:
        raise TglError(
            f"plan '{method}': a borrowed profile is needed (--borrowed FILE; plan.borrow in the config)"
        )
    others = read_table(borrowed, "profile").to_pylist()
    own, other = ({(row["sublayer"], row["num_parameters"]) for row in table} for table in (rows, others))
    if own != other:
        raise TglError(
            f"{borrowed}: its sublayers are not those of {profile}: found {len(other)}, expected {len(own)}, different "
            f"are {sorted({name for name, _ in own ^ other})[:4]}; borrow from a model of the same shape"
        )
    return others


def plan_from(
    rows: Iterable[dict], method: str, settings: PlanConfig, seed: int, origin: str, model=None
) -> tuple[Plan, list[Unit]]:
    """Return the plan `method` and the units it ranks, from rows of the table `profile`.

    origin: names the rows in errors. model: the profiled network, which `spectrum` looks at.
    """
    units = units_of(rows, method, settings, origin)
    if model is not None and parse_plan(method).policy == "spectrum":
        from tgl.plans.spectrum import sublayer_ratios

        ratios = sublayer_ratios(model)
        if set(ratios) != {unit.name for unit in units}:
            strange = sorted(set(ratios) ^ {unit.name for unit in units})
            raise TglError(
                f"plan '{method}': the model's sublayers are not those of {origin}, different are {strange[:4]}; hand "
                "over the model that was profiled"
            )
        units = [replace(unit, signal_to_noise=ratios[unit.name]) for unit in units]
    return make_plan(method, units, settings, seed), units


def units_of(rows: Iterable[dict], method: str, settings: PlanConfig, origin: str) -> list[Unit]:
    """Return what the policies need of the rows of a table `profile`; raises TglError where `origin` lacks them."""
    salient, denominator = ranking(method, settings)
    units = [
        Unit(row["sublayer"], row["num_parameters"], row["relative_norm"])
        for row in rows
        if (row["weights"], row["group"], row["denominator"]) == ("trained", salient, denominator)
        and row["sublayer"] not in (*UNRANKED, "all")
    ]
    names = [unit.name for unit in units]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise TglError(
            f"{origin}: '{twice}' has two relative norms of '{salient}' over '{denominator}', expected one. Several "
            "profiles were put together; give one of them"
        )
    if not units:
        raise TglError(
            f"{origin}: no relative norm of '{salient}' over '{denominator}', which the plan '{method}' asks for; "
            "plan.salient and plan.denominator, or the plan's name, must name groups the profile holds"
        )
    return units


def ranking(method: str, settings: PlanConfig) -> tuple[str, str]:
    """Return (salient group, denominator) that the plan ranks sublayers by: its own, else the configured ones."""
    name = parse_plan(method)
    return name.salient or settings.salient, name.denominator or settings.denominator


def describe(plan: Plan, units: list[Unit]) -> str:
    """Return the plan as lines of sublayer, parameters, relative norm and multiplier of each phase."""
    phases = [plan.multipliers, *(phase["multipliers"] for phase in plan.later)]
    heads = ["multiplier", *(f"from {phase['from']:.0%}" for phase in plan.later)]
    lines = [
        f"{'sublayer':<20}{'parameters':>12}{'relative norm':>15}" + "".join(f"{head:>12}" for head in heads)
    ]
    lines += [
        f"{unit.name:<20}{unit.num_parameters:>12,}{unit.relative_norm:>15.3f}"
        + "".join(f"{phase[unit.name]:>12.3f}" for phase in phases)
        for unit in units
    ]
    share = plan.trainable_parameters / plan.total_parameters
    lines.append(
        f"{plan.method}: {plan.trainable_parameters:,} of {plan.total_parameters:,} parameters of the sublayers "
        f"trained ({share:.0%}); embedding {'trained' if plan.embedding else 'frozen'}. {plan.note}"
    )
    return "\n".join(lines)
