"""Turn the runs of an experiment into corrected comparisons of methods. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pandas as pd

from tgl.analysis.chain import mean_cells, transfers_of
from tgl.analysis.compare import compare, spread
from tgl.analysis.curve_points import COLUMNS, curve_points
from tgl.analysis.equal_uptake import at_equal_uptake
from tgl.analysis.power import seeds_needed
from tgl.analysis.rates import at_the_edge, chosen_rates, mean_criteria
from tgl.analysis.values import RATIOS, Values, exp
from tgl.config.report_settings import ReportConfig
from tgl.core.errors import TglError
from tgl.plans.names import parse_plan
from tgl.plans.policy import POLICIES
from tgl.report.runs import BASE, Runs
from tgl.train.methods import parse_method

REFERENCE = "full"
# The policies of the paper. Each is compared with its budget-matched controls.
TRACED = ("tgl_fp", "tgl_alr")


@dataclass(frozen=True)
class Findings:
    """Results of the comparisons of methods.

    Attributes:
        runs: One value for each run, set, kind and measure.
        rates: Learning rate of each method, chosen on validation probes.
        criteria: Validation criterion of each method and rate.
        edges: Methods whose chosen rate is the smallest or the largest tried.
        summary: Comparisons with the reference at the chosen rates (`tgl.analysis.compare.compare`).
        equal_uptake: Comparisons at equal uptake (`tgl.analysis.equal_uptake`). Empty without facts to learn or without
            unchanged facts.
        curves: Points of each curve of uptake and forgetting by split and seed. Empty in the same cases.
        matrix: Log perplexity of each period's lasting facts at each checkpoint (`tgl.analysis.chain.mean_cells`).
        transfers: Backward transfer and forgetting (`tgl.analysis.chain.transfers_of`).
        power: Number of seeds needed by set, kind and method.
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


def findings(runs: Runs, settings: ReportConfig) -> Findings:
    """Compute all comparisons of methods.

    Args:
        runs: The runs of the experiment.
        settings: The section `report` of the configuration.

    Raises:
        TglError: If the reference method has no validation probes or no test probes.
    """
    found = mean_criteria(runs.validation())
    rates = chosen_rates(found)
    if REFERENCE not in rates:
        raise TglError(
            f"scores: '{REFERENCE}' has no validation probe at the checkpoint of its own period, so no learning rate "
            "can be chosen. Increase probes.validation_share, or add validation probes to your own probes."
        )
    values = runs.values()
    if not any(REFERENCE in dict(own.runs) for (probe_set, *_), own in values.items() if probe_set != "text"):
        raise TglError(
            f"scores: '{REFERENCE}' has no test probe at the checkpoint of its own period, so methods cannot be "
            "compared. Increase probes.test_share, or add test probes to your own probes."
        )
    uptake, points = _uptake(runs, list(rates), settings)
    own = runs.cells()
    own = own[own["rate"] == own["method"].map(rates).fillna(0.0)]  # The base model has the rate 0.
    periods, pair = runs.dates[1:], runs.transfer(rates)
    trained = own[own["method"] != BASE]
    return Findings(
        runs=_runs(values),
        rates=rates,
        criteria=found,
        edges=at_the_edge(found, rates, settings.tried_rates),
        summary=compare(values, rates, REFERENCE),
        equal_uptake=uptake,
        curves=points,
        matrix=mean_cells(own, runs.dates, periods),
        transfers=transfers_of(*pair, trained, periods=periods) if pair else pd.DataFrame(),
        power=_power(values, rates),
    )


def _uptake(runs: Runs, methods: list[str], settings: ReportConfig) -> tuple[pd.DataFrame, pd.DataFrame]:
    if (curves := runs.curves()) is None:
        return pd.DataFrame(), pd.DataFrame(columns=COLUMNS)
    planned = [(method, reference) for method, reference in settings.comparisons]
    return (
        at_equal_uptake(
            replace(curves, tried=settings.tried_rates),
            planned or all_comparisons(methods),
            primary=settings.level,
        ),
        curve_points(curves),
    )


def all_comparisons(methods: list[str]) -> list[tuple[str, str]]:
    """Return the comparisons at equal uptake of an experiment that plans none: (method, reference).

    All methods are compared with `full`, and those of `matched_controls` with their references.
    """
    pairs = [(method, REFERENCE) for method in methods if method != REFERENCE]
    return pairs + [(method, reference) for reference, own in matched_controls(methods) for method in own]


def _runs(values: dict[tuple[str, str, str], Values]) -> pd.DataFrame:
    """Return one value for each run, set, kind and measure. Perplexities are not logarithms here."""
    rows = []
    for (probe_set, kind, measure), found in values.items():
        back = exp if measure in RATIOS else float
        for (method, rate), means in zip(found.runs, found.means(), strict=True):
            for seed, value in zip(found.seeds, means, strict=True):
                row = {"method": method, "rate": rate, "seed": seed, "set": probe_set, "kind": kind}
                rows.append(row | {"measure": measure, "value": back(value)})
    return pd.DataFrame(rows)


def matched_controls(methods: list[str]) -> list[tuple[str, list[str]]]:
    """Return the comparisons that are made in addition to those with `full`.

    - Each traced method (`tgl_fp`, `tgl_alr`) is compared with its budget-matched controls: methods with the same
      variations and the same baseline. For `tgl_fp` these are random, inverse, first, last, spectrum and lisa. For
      `tgl_alr` they are the shuffled multipliers and the mean rate.
    - A traced method is also compared with traced plans of another share or denominator on the same baseline.
    - Full training on a baseline is compared with all other plans on this baseline, and with all plans without a
      baseline: is a plan better than the baseline alone?

    Args:
        methods: Names of all methods.

    Returns:
        A list of (reference method, methods to compare with it).
    """
    named = {
        method: (parse_plan(plan), baseline)
        for method in methods
        for plan, baseline in [parse_method(method)]
    }
    used = {plan.policy for plan, _ in named.values()}
    found = []
    for method, (plan, baseline) in named.items():
        controls = [name for name in used if plan.policy in POLICIES.get(name).control_of]
        on_top = method != REFERENCE and plan == parse_plan(REFERENCE)
        if plan.policy not in TRACED and not on_top:
            continue
        own = []
        for other, (name, on) in named.items():
            is_control = not on_top and name.policy in controls and replace(name, policy=plan.policy) == plan
            on_same = on == baseline and (on_top or name.policy == plan.policy or is_control)
            alone = on_top and on == "plain" and other != REFERENCE
            if other != method and (on_same or alone):
                own.append(other)
        if own:
            found.append((method, own))
    return found


def _power(values: dict[tuple[str, str, str], Values], rates: dict[str, float]) -> pd.DataFrame:
    """Return the spread over seeds and the seeds needed for a 5 % difference, by set, kind and method."""
    rows = []
    for (probe_set, kind, measure), found in values.items():
        if measure != "perplexity":
            continue
        for method in [method for method in rates if method != REFERENCE]:
            over_seeds = spread(
                found, method, rates[method], reference=REFERENCE, reference_rate=rates[REFERENCE]
            )
            rows.append(
                {"set": probe_set, "kind": kind, "method": method, "spread": over_seeds}
                | {"seeds_needed": seeds_needed(over_seeds)}
            )
    return pd.DataFrame(rows, columns=["set", "kind", "method", "spread", "seeds_needed"])


def chain_tables(found: Findings) -> list[dict]:
    """Return, for each method, its log perplexities by checkpoint (rows) and period (columns) and its transfer.

    Returns:
        Dictionaries {method, periods, rows: [(checkpoint, values)], transfer}. The transfer is None if there is none.
    """
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
