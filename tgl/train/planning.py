"""The plan of one period of a run, and the profile it rests on."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from transformers import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from tgl.config import PlanConfig, ProfileConfig
from tgl.errors import TglError, nearest
from tgl.plans.names import POLICIES, parse_plan
from tgl.plans.plan import Plan
from tgl.plans.stage import plan_from, ranking, units_of
from tgl.profiling.retrace import retrace
from tgl.tables import read_table


def is_policy(plan: Plan) -> bool:
    """Tell whether the plan can be made anew from a profile; one written by hand cannot."""
    try:
        parse_plan(plan.method)
    except TglError:
        return False
    return True


def ranked_by(plan: Plan, settings: PlanConfig) -> tuple[str, str]:
    """Return (salient group, denominator) of the plan's ranking; the configured ones for one written by hand."""
    return ranking(plan.method if is_policy(plan) else "full", settings)


def profile_again(
    plan: Plan,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    probes: Path,
    stream: np.ndarray,
    period: str,
    settings: tuple[ProfileConfig, PlanConfig],
    seed: int,
) -> list[dict]:
    """Return the rows of `profile` that `plan` is made from, measured on `model` before `period`."""
    rows = read_table(probes, "probes").to_pylist()
    profile, plan_settings = settings
    return retrace(model, tokenizer, rows, stream, period, profile, *ranked_by(plan, plan_settings), seed)


def check_remaking(plan: Plan, path: Path) -> None:
    """Raise TglError for a plan that profile.periods 'each' cannot make anew: one written by hand."""
    if not is_policy(plan):
        raise TglError(
            f"{path}: profile.periods 'each' makes the plan anew, and no policy is called '{plan.method}'"
            f"{nearest(plan.method, POLICIES)}; known: {', '.join(POLICIES)}"
        )


def plan_again(
    plan: Plan, rows: Iterable[dict], model: PreTrainedModel, settings: PlanConfig, seed: int, origin: str
) -> Plan:
    """Return the plan of the same name made from other rows of `profile`."""
    return plan_from(rows, plan.method, settings, seed, origin, model)[0]


def drift_rows(plan: Plan, rows: list[dict], period: str, settings: PlanConfig, origin: str) -> list[dict]:
    """Return the rows of the table `drift`: what the plan was made from, and its first phase."""
    salient, denominator = ranked_by(plan, settings)
    method = plan.method if is_policy(plan) else "full"
    units = units_of(rows, method, settings, origin)
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
