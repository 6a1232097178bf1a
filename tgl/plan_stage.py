"""Stage `plan`: one method's plan from the table `profile`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tgl.config import PlanConfig
from tgl.errors import TglError
from tgl.plan import Plan, save_plan
from tgl.policies import Unit, make_plan
from tgl.sublayer_names import EMBEDDING
from tgl.tables import read_table


def write_plan(profile: str | Path, method: str, settings: PlanConfig, seed: int, output: str | Path) -> str:
    """Write the plan as JSON and return it as a table to read."""
    units = units_of(read_table(profile, "profile").to_pylist(), settings, str(profile))
    plan = make_plan(method, units, settings, seed)
    save_plan(plan, output)
    return describe(plan, units)


def units_of(rows: Iterable[dict], settings: PlanConfig, origin: str) -> list[Unit]:
    """Return what the policies need of the rows of a table `profile`; raises TglError where `origin` lacks them."""
    units = [
        Unit(row["sublayer"], row["num_parameters"], row["relative_norm"])
        for row in rows
        if row["weights"] == "trained"
        and row["group"] == settings.salient
        and row["denominator"] == settings.denominator
        and row["sublayer"] not in (EMBEDDING, "all")
    ]
    if not units:
        raise TglError(
            f"{origin}: no relative norm of '{settings.salient}' over '{settings.denominator}'; "
            "plan.salient and plan.denominator must name groups the profile holds"
        )
    return units


def describe(plan: Plan, units: list[Unit]) -> str:
    """Return the plan as lines of sublayer, parameters, relative norm and multiplier."""
    lines = [f"{'sublayer':<20}{'parameters':>12}{'relative norm':>15}{'multiplier':>12}"]
    lines += [
        f"{unit.name:<20}{unit.num_parameters:>12,}{unit.relative_norm:>15.3f}{plan.of(unit.name):>12.3f}"
        for unit in units
    ]
    share = plan.trainable_parameters / plan.total_parameters
    lines.append(
        f"{plan.method}: {plan.trainable_parameters:,} of {plan.total_parameters:,} parameters of the sublayers "
        f"trained ({share:.0%}); embedding {'trained' if plan.embedding else 'frozen'}. {plan.note}"
    )
    return "\n".join(lines)
