"""Write the five sentences "What was found" on top of the report, from the tests of the run."""

from __future__ import annotations

import math

import pandas as pd
from scipy import stats

from tgl.analysis.compare import BETTER, WORSE
from tgl.analysis.power import POWER
from tgl.config.root import Config
from tgl.core.vocabulary import SALIENT_KINDS
from tgl.plans.names import parse_plan
from tgl.report.gate import shortfall
from tgl.report.methods import REFERENCE, TRACED, Findings
from tgl.report.notes import listed
from tgl.report.page import interval, number
from tgl.report.profile_figures import LABELS
from tgl.report.profile_tables import label, ratios


def what_was_found(
    config: Config, gates: list[dict], findings: Findings, *, profile: pd.DataFrame, denominator: str
) -> list[str]:
    """Return one sentence each on the gate, the profile, the paper's plan, the other comparisons and the power.

    A sentence whose numbers the run does not have states that.

    Args:
        config: The configuration of the experiment.
        gates: Its gates, as `tgl.report.gate.gates` returns them.
        findings: The comparisons of its methods.
        profile: The table `profile` of all seeds.
        denominator: The denominator of the relative norms.
    """
    table = findings.equal_uptake
    verdicts = table[table["share"] == config.report.level] if len(table) else table
    return [
        _gate(gates),
        _profile(profile, denominator),
        _plan(verdicts, config),
        _family(verdicts),
        _power(verdicts, config),
    ]


def _gate(gates: list[dict]) -> str:
    if not gates:
        return "No probe has candidates to rank, so the run has no gate and does not show that the model knows facts."
    if short := shortfall(gates):
        return f"{short}, so the comparisons are no evidence about methods."
    return f"The gate was met in all {len(gates)} conditions, so the comparisons can be read."


def _profile(profile: pd.DataFrame, denominator: str) -> str:
    rows = [row for row in ratios(profile) if denominator in row["over"]]
    parts = []
    for kind in SALIENT_KINDS:
        own = {row["weights"]: row["over"][denominator] for row in rows if row["group"] == label(kind)}
        if "trained" in own:
            cell = own["trained"]
            text = f"{number(cell['mean'])} {interval(cell['low'], cell['high'])} for {LABELS[kind]}"
            random = own.get("random")
            parts.append(text + (f" (random weights: {number(random['mean'])})" if random else ""))
    if not parts:
        return f"No salient span was profiled over {LABELS[denominator]}."
    return (
        f"Relative to {LABELS[denominator]}, the gradient norm (mean ratio of sublayers) is {listed(parts)}."
    )


def _of_paper(verdicts: pd.DataFrame) -> pd.Series | None:
    """Return the comparison of the paper's plan with the reference.

    That is `tgl_fp`, else `tgl_alr`, else a variant of them such as another denominator.
    """
    if verdicts.empty:
        return None
    own = verdicts[verdicts["reference"] == REFERENCE]
    variants = [
        method
        for policy in TRACED
        for method in own["method"]
        if "+" not in method and parse_plan(method).policy == policy
    ]
    for method in (*TRACED, *variants):
        if len(found := own[own["method"] == method]):
            return found.iloc[0]
    return None


def _plan(verdicts: pd.DataFrame, config: Config) -> str:
    row = _of_paper(verdicts)
    if row is None:
        return f"No traced plan was compared with {REFERENCE} at equal uptake."
    begin = f"At {100 * config.report.level:.0f} % of the uptake of {REFERENCE}, {row['method']} "
    if math.isnan(row["difference"]):
        return f"{begin}has no result: {row['verdict'].removeprefix('no verdict: ')}."
    less = row["difference"] < 0
    text = f"{begin}forgets {number(abs(row['difference']))} nats per token {'less' if less else 'more'}"
    if not math.isnan(row["low"]):
        text += f" (95 % interval of the difference: {interval(row['low'], row['high'])})"
    return f"{text}: {_in_words(row)}."


def _in_words(row: pd.Series) -> str:
    if row["verdict"] in (BETTER, WORSE):
        return f"significant after Holm's correction (p = {number(row['p_holm'], 2)})"
    equal = "; equivalent within 10 % of what is forgotten" if row["equivalent"] else ""
    return f"{row['verdict']}{equal}"


def _family(verdicts: pd.DataFrame) -> str:
    if verdicts.empty:
        return "No comparison at equal uptake was possible."
    better, worse = (verdicts[verdicts["verdict"] == word] for word in (BETTER, WORSE))
    without = int(verdicts["verdict"].str.startswith("no verdict").sum())
    found = [f"{row['method']} forgets less than {row['reference']}" for _, row in better.iterrows()]
    found += [f"{row['method']} forgets more than {row['reference']}" for _, row in worse.iterrows()]
    verb = "is" if len(found) < 2 else "are"
    text = f"Of {len(verdicts)} planned comparisons, {len(found) or 'none'} {verb} significant"
    text += f": {listed(found)}" if found else ""
    turned = [
        row["method"]
        for _, row in pd.concat([better, worse]).iterrows()
        if row["difference"] * row["own_rates_difference"] < 0
    ]
    if turned:
        names = listed(dict.fromkeys(turned))
        text += f"; for {names}, the sign of the difference changes when each seed has its own best rate"
    return text + (f"; {without} {'has' if without == 1 else 'have'} no verdict." if without else ".")


def _power(verdicts: pd.DataFrame, config: Config) -> str:
    seeds = len(config.seeds)
    if seeds < 2:
        return "One seed has no interval over seeds, so no difference between methods can be tested."
    row = _of_paper(verdicts)
    if row is None or math.isnan(row["error"]):
        return f"Which difference {seeds} seeds can detect is unknown: the comparison above has no standard error."
    shift = number(detectable(row["error"], row["freedom"]))
    return (
        f"With {seeds} seeds, that comparison alone detects a difference of {shift} nats per token with "
        f"{100 * POWER:.0f} % probability; a smaller one can be missed."
    )


def detectable(error: float, freedom: float) -> float:
    """Return the difference that a two-sided t test at 5 % detects with a probability of 80 %.

    Args:
        error: The standard error of the difference.
        freedom: Its degrees of freedom.

    Returns:
        The difference, in the unit of the error, by the usual sum of two quantiles of the t distribution.
    """
    return float((stats.t.ppf(0.975, freedom) + stats.t.ppf(POWER, freedom)) * error)
