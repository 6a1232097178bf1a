"""What the report says of methods: everything from scores to corrected comparisons, in one place. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pandas as pd

from tgl.errors import TglError
from tgl.evaluate.measures import probe_measures, text_measures
from tgl.plans.names import parse_method, parse_plan
from tgl.statistics.chain import lasting, matrix, transfers
from tgl.statistics.compare import compare, spread
from tgl.statistics.power import seeds_needed
from tgl.statistics.rates import at_the_edge, chosen_rates, criteria
from tgl.statistics.uptake import at_equal_uptake, curve_points
from tgl.statistics.values import MEASURES, RATIOS, RUN, Values, exp, own_period, probe_values, text_values

REFERENCE = "full"
# Of each traced policy: what trains as much without looking at gradients, or against them.
CONTROLS = {
    "tgl_fp": ("random", "inverse", "first", "last", "spectrum", "lisa"),
    "tgl_alr": ("shuffled_alr", "full_at_mean_lr"),
}
BASE = "base"


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


def findings(
    scores: pd.DataFrame, losses: pd.DataFrame, probes: pd.DataFrame, dates: list[str], resamples: int
) -> Findings:
    """Return all that is said of methods.

    scores, losses: the tables `scores` (with subject) and `lm_loss` of all runs, with method, rate and seed; dates:
    the base model's checkpoint, then the periods. Raises TglError where the reference has no validation or no test
    probes.
    """
    of_base = scores["method"] == BASE
    found = criteria(scores[(scores["split"] == "validation") & ~of_base])
    rates = chosen_rates(found)
    if REFERENCE not in rates:
        raise TglError(
            f"scores: '{REFERENCE}' has no validation probe at the checkpoint of its own period; expected some to "
            "choose its learning rate by (probes.validation_share, or splits of your own probes)"
        )
    test = scores[scores["split"] == "test"]
    if own_period(test[test["method"] == REFERENCE]).empty:
        raise TglError(
            f"scores: '{REFERENCE}' has no test probe at the checkpoint of its own period; expected some to compare "
            "methods by (probes.test_share, or splits of your own probes)"
        )
    values = _values(test[test["method"] != BASE], losses[losses["method"] != BASE], dates[1:])
    summary = compare(values, rates, REFERENCE, resamples)
    uptake, points = _uptake(test, list(rates), resamples)
    facts = test[test["probe"].isin(lasting(probes))]
    own = facts[
        [rates.get(method, 0.0) == rate for method, rate in zip(facts["method"], facts["rate"], strict=True)]
    ]
    return Findings(
        runs=_runs(values),
        rates=rates,
        criteria=found,
        edges=at_the_edge(found, rates),
        summary=summary,
        equal_uptake=uptake,
        curves=points,
        matrix=matrix(own, dates, dates[1:]),
        transfers=transfers(own[own["method"] != BASE], dates[1:], resamples)
        if len(dates) > 2
        else pd.DataFrame(),
        power=_power(values, rates),
    )


def all_measures(scores: pd.DataFrame, losses: pd.DataFrame) -> pd.DataFrame:
    """Return every measure on test probes and held-out text by method, rate, seed and checkpoint."""
    parts = []
    for kind, make in ((scores[scores["split"] == "test"], probe_measures), (losses, text_measures)):
        for run, rows in kind.groupby(RUN, sort=False):
            parts.append(make(rows).assign(**dict(zip(RUN, run, strict=True))))
    columns = [*RUN, "checkpoint", "set", "kind", "period", "measure", "value", "count"]
    return pd.concat([part for part in parts if len(part)], ignore_index=True)[columns]


def _values(
    test: pd.DataFrame, losses: pd.DataFrame, periods: list[str]
) -> dict[tuple[str, str, str], Values]:
    """Return what is compared by (set, kind, measure): probes and new text at their own period, old text at all."""
    found = {}
    for (probe_set, kind), rows in own_period(test).groupby(["set", "kind"], sort=True):
        for measure in MEASURES:
            if measure != "ranked_first" or (rows["num_candidates"] > 0).any():
                found[probe_set, kind, measure] = probe_values(rows, measure)
    texts = losses[losses["num_tokens"] > 0]
    texts = texts.assign(value=texts["negative_log_likelihood"] / texts["num_tokens"])
    for kind, rows in (
        ("old_text", texts[(texts["text"] == "base") & texts["checkpoint"].isin(periods)]),
        ("new_text", texts[texts["text"] == texts["checkpoint"]]),
    ):
        if len(rows):
            found["text", kind, "loss"] = text_values(rows)
    return found


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


def _uptake(test: pd.DataFrame, methods: list[str], resamples: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    trained = own_period(test[test["method"] != BASE])
    # No training at all: the same probes as the base model leaves them.
    base = test[(test["method"] == BASE) & test["probe"].isin(trained["probe"])]
    rows = pd.concat([trained, base], ignore_index=True)
    pair = [rows[rows["kind"] == kind] for kind in ("updated", "unchanged")]
    if any(part.empty for part in pair):
        return pd.DataFrame(), pd.DataFrame()
    updated, unchanged = (probe_values(part, "perplexity") for part in pair)
    tables = [
        at_equal_uptake(updated, unchanged, own, reference, resamples)
        for reference, own in ((REFERENCE, methods), *matched_controls(methods))
    ]
    return (
        pd.concat([table for table in tables if len(table)] or [pd.DataFrame()], ignore_index=True),
        curve_points(updated, unchanged, methods, resamples),
    )


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
