"""The plan of one period of a run, and the profile for it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from transformers import PreTrainedModel

from tgl.core.errors import TglError, nearest
from tgl.core.tables.read import read_table
from tgl.evaluate.score import max_length
from tgl.plans.names import parse_plan
from tgl.plans.plan import Plan
from tgl.plans.policy import POLICIES
from tgl.plans.settings import PlanConfig
from tgl.plans.stage import plan_from, ranking, units_of
from tgl.profiling.groups import make_groups
from tgl.profiling.retrace import retrace
from tgl.train.run import Period


def is_policy(plan: Plan) -> bool:
    """Return whether the plan can be made again from a new profile. A plan written by hand cannot."""
    try:
        parse_plan(plan.method)
    except TglError:
        return False
    return True


def ranked_by(plan: Plan, settings: PlanConfig) -> tuple[str, str]:
    """Return (salient group, denominator) of the plan's ranking; for a plan written by hand, the configured ones."""
    return ranking(plan.method if is_policy(plan) else "full", settings)


def profile_again(period: Period, model: PreTrainedModel) -> list[dict]:
    """Measure the profile for the period's plan on `model`, and return its rows of the table `profile`."""
    run, settings = period.run, period.run.settings.profile
    rows = read_table(run.probes, "probes").to_pylist()
    groups = make_groups(
        rows, period.base, period.tokenizer, period=period.name, settings=settings, length=max_length(model)
    ).groups
    ratio = ranked_by(period.plan, run.settings.plan)
    return retrace(
        model,
        groups,
        ratio,
        names=period.plan.multipliers,
        period=period.name,
        resamples=settings.bootstrap,
        seed=run.seed,
    )


def check_remaking(plan: Plan, path: Path) -> None:
    """Check that profile.periods 'each' can make the plan again.

    Args:
        plan: The plan.
        path: Its file; the error message begins with it.

    Raises:
        TglError: The plan was written by hand, so no policy can make it.
    """
    if not is_policy(plan):
        raise TglError(
            f"{path}: profile.periods 'each' makes a new plan in each period, but no policy is called '{plan.method}'"
            f"{nearest(plan.method, POLICIES)}. Use one of {', '.join(POLICIES)}, or set profile.periods to 'first'"
        )


def plan_again(period: Period, rows: Iterable[dict], model: PreTrainedModel, *, origin: str) -> Plan:
    """Make the period's plan again from new rows of the table `profile`.

    Args:
        period: The period.
        rows: The new rows.
        model: The model before the period.
        origin: The name of the rows in error messages.
    """
    run = period.run
    return plan_from(rows, period.plan.method, run.settings.plan, seed=run.seed, origin=origin, model=model)[
        0
    ]


def drift_rows(plan: Plan, rows: list[dict], period: str, *, settings: PlanConfig, origin: str) -> list[dict]:
    """Return the rows of the table `drift`: the norms for the plan's ranking, and the multipliers of its first phase.

    Args:
        plan: The plan.
        rows: Rows of the table `profile`.
        period: The period's date.
        settings: The section `plan` of the configuration.
        origin: The name of the rows in error messages.
    """
    salient, denominator = ranked_by(plan, settings)
    method = plan.method if is_policy(plan) else "full"
    units = units_of(rows, method, settings, origin=origin)
    found = {
        row["sublayer"]: row
        for row in rows
        if (row["weights"], row["group"], row["denominator"]) == ("trained", salient, denominator)
    }
    return [
        {
            "period": period,
            "sublayer": unit.name,
            **{key: found[unit.name][key] for key in ("relative_norm", "low", "high")},
            "multiplier": plan.of(unit.name),
        }
        for unit in units
    ]
