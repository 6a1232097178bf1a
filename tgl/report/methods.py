"""What the report states of methods: from the runs to corrected comparisons. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pandas as pd

from tgl.errors import TglError
from tgl.plans.names import parse_method, parse_plan
from tgl.report.runs import BASE, Runs
from tgl.statistics.chain import mean_cells, transfers_of
from tgl.statistics.compare import compare, spread
from tgl.statistics.power import seeds_needed
from tgl.statistics.rates import at_the_edge, chosen_rates, mean_criteria
from tgl.statistics.uptake import at_equal_uptake, curve_points
from tgl.statistics.values import RATIOS, Values, exp

REFERENCE = "full"
# Of each traced policy: what trains as much without looking at gradients, or against them.
CONTROLS = {
    "tgl_fp": ("random", "inverse", "first", "last", "spectrum", "lisa"),
    "tgl_alr": ("shuffled_alr", "full_at_mean_lr"),
}


@dataclass(frozen=True)
class Findings:
    """Tables of the section on methods; each is described where it is made.

    runs: one value a run and measure, what all else comes from. rates: method and rate chosen on validation;
    criteria: what they were chosen by; edges: methods whose rate is the smallest or largest tried; summary:
    comparisons with the reference; equal_uptake and curves: empty where there are no updated or no unchanged facts;
    matrix and transfers: of facts that last; power: seeds needed by (set, kind).
    """

    runs: pd.DataFrame
    rates: dict[str, float]
    criteria: pd.DataFrame
    edges: list[str]
    summary: pd.DataFrame
    equal_uptake: pd.DataFrame
    curves: pd.DataFrame
    matrix: pd.DataFrame
    transfers: pd.DataFrame
    power: pd.DataFrame


def findings(runs: Runs, resamples: int) -> Findings:
    """Return all that is reported of methods.

    Raises TglError where the reference has no validation or no test probes.
    """
    found = mean_criteria(runs.validation())
    rates = chosen_rates(found)
    if REFERENCE not in rates:
        raise TglError(
            f"scores: '{REFERENCE}' has no validation probe at the checkpoint of its own period; expected some to "
            "choose its learning rate by (probes.validation_share, or splits of your own probes)"
        )
    values = runs.values()
    if not any(REFERENCE in dict(own.runs) for (probe_set, *_), own in values.items() if probe_set != "text"):
        raise TglError(
            f"scores: '{REFERENCE}' has no test probe at the checkpoint of its own period; expected some to compare "
            "methods by (probes.test_share, or splits of your own probes)"
        )
    uptake, points = _uptake(runs, list(rates), resamples)
    own = runs.cells()
    own = own[own["rate"] == own["method"].map(rates).fillna(0.0)]  # the base model has the rate 0
    periods, pair = runs.dates[1:], runs.transfer(rates)
    trained = own[own["method"] != BASE]
    return Findings(
        runs=_runs(values),
        rates=rates,
        criteria=found,
        edges=at_the_edge(found, rates),
        summary=compare(values, rates, REFERENCE, resamples),
        equal_uptake=uptake,
        curves=points,
        matrix=mean_cells(own, runs.dates, periods),
        transfers=transfers_of(*pair, trained, periods, resamples) if pair else pd.DataFrame(),
        power=_power(values, rates),
    )


def _uptake(runs: Runs, methods: list[str], resamples: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    if (pair := runs.uptake()) is None:
        return pd.DataFrame(), pd.DataFrame()
    tables = [
        at_equal_uptake(*pair, own, reference, resamples)
        for reference, own in ((REFERENCE, methods), *matched_controls(methods))
    ]
    return (
        pd.concat([table for table in tables if len(table)] or [pd.DataFrame()], ignore_index=True),
        curve_points(*pair, methods, resamples),
    )


def _runs(values: dict[tuple[str, str, str], Values]) -> pd.DataFrame:
    """Return one value a run, set, kind and measure; perplexities as such."""
    rows = []
    for (probe_set, kind, measure), found in values.items():
        back = exp if measure in RATIOS else float
        for (method, rate), means in zip(found.runs, found.means(), strict=True):
            for seed, value in zip(found.seeds, means, strict=True):
                row = {"method": method, "rate": rate, "seed": seed, "set": probe_set, "kind": kind}
                rows.append(row | {"measure": measure, "value": back(value)})
    return pd.DataFrame(rows)


def matched_controls(methods: list[str]) -> list[tuple[str, list[str]]]:
    """Return (method, methods to hold against it) for each traced method, and full training on each baseline.

    Controls have the variations and the baseline of the traced plan, and so its budget: for `tgl_fp` random, inverse,
    first, last, spectrum and lisa, for `tgl_alr` the shuffled multipliers and the mean rate. Beside them stand the
    plans traced otherwise on the same baseline: another share or denominator. Full training on a baseline is held
    against all other plans on it: what they add on top.
    """
    named = {
        method: (parse_plan(plan), baseline)
        for method in methods
        for plan, baseline in [parse_method(method)]
    }
    found = []
    for method, (plan, baseline) in named.items():
        controls = CONTROLS.get(plan.policy)
        on_top = method != REFERENCE and plan == parse_plan(REFERENCE)
        if controls is None and not on_top:
            continue
        own = []
        for other, (name, on) in named.items():
            is_control = not on_top and name.policy in controls and replace(name, policy=plan.policy) == plan
            if other != method and on == baseline and (on_top or name.policy == plan.policy or is_control):
                own.append(other)
        if own:
            found.append((method, own))
    return found


def _power(values: dict[tuple[str, str, str], Values], rates: dict[str, float]) -> pd.DataFrame:
    """Return by set and kind of probe and method the spread over seeds and the seeds a 5 % difference needs."""
    rows = []
    for (probe_set, kind, measure), found in values.items():
        if measure != "perplexity":
            continue
        for method in [method for method in rates if method != REFERENCE]:
            over_seeds = spread(found, method, rates[method], REFERENCE, rates[REFERENCE])
            rows.append(
                {"set": probe_set, "kind": kind, "method": method, "spread": over_seeds}
                | {"seeds_needed": seeds_needed(over_seeds)}
            )
    return pd.DataFrame(rows, columns=["set", "kind", "method", "spread", "seeds_needed"])


def chain_tables(found: Findings) -> list[dict]:
    """Return a method's matrix of perplexities, rows of checkpoints by columns of periods, with its transfer."""
    tables = []
    for method, rows in found.matrix.groupby("method", sort=False):
        table = rows.pivot(index="checkpoint", columns="period", values="value")
        own = (
            found.transfers[found.transfers["method"] == method] if len(found.transfers) else found.transfers
        )
        tables.append(
            {
                "method": method,
                "periods": list(table.columns),
                "rows": [
                    (checkpoint, list(row))
                    for checkpoint, row in zip(table.index, table.to_numpy(), strict=True)
                ],
                "transfer": own.to_dict("records")[0] if len(own) else None,
            }
        )
    return tables
