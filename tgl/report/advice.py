"""Advice from the runs of a screen: which plan, which baseline and share of replay, which learning rate."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from tgl.analysis.advice import Advice, advise
from tgl.analysis.compare import BETTER
from tgl.analysis.curve_points import curves_from
from tgl.analysis.equal_uptake import MethodCurves
from tgl.config.root import Config
from tgl.core.errors import TglError
from tgl.core.files import write_text
from tgl.core.layout import Layout
from tgl.report import gather
from tgl.report.methods import REFERENCE
from tgl.report.replicates import replicate_curves, rows_of, shown, whole_runs
from tgl.train.methods import method_folder, parse_method, rate_text, split_baseline

NONE = "no recommendation"


def write_advice(
    results: Sequence[Path], config: Config, *, budget: float | None, output: Path | None
) -> list[str]:
    """Return advice as lines, and write it as JSON.

    Args:
        results: The folder of one experiment with several seeds, or those of experiments that are replicates, or one
            file curves.csv.
        config: Their configuration.
        budget: Hours of computing for further replicates; None: they are not considered.
        output: The JSON file to write, or None.

    Raises:
        TglError: The runs are missing, or they hold no facts to learn or no unchanged facts.
    """
    curves, lines = curves_of(results, config)
    found = advise(curves, reference=REFERENCE, primary=config.report.level)
    lines += list(advice_lines(found, config.report.level))
    if budget is not None:
        lines += list(_budget_lines(found, results, config, budget=budget))
    if output is not None:
        record = {
            "recommended": not found.reason,
            "reason": found.reason,
            "method": found.method,
            "rate": None if math.isnan(found.rate) else found.rate,
            "level": config.report.level,
            "undecided": found.undecided(),
            "without_verdict": found.without_verdict(),
            "below_level": found.below_level(),
            "replicates_needed": found.needed(),
            "ranking": _records(found.ranking),
            "comparisons": _records(found.table),
        }
        write_text(output, json.dumps(record, indent=2) + "\n")
    return lines


def _records(table: pd.DataFrame) -> list[dict]:
    """Return the rows of a table for JSON, with None for NaN."""
    return json.loads(table.to_json(orient="records", double_precision=15))


def curves_of(results: Sequence[Path], config: Config) -> tuple[MethodCurves, list[str]]:
    """Return the curves of all methods, and a line for each run that is left out because it is not everywhere.

    With several folders, or one seed, each experiment is one replicate. Otherwise the seeds are. A file holds means of
    replicates.

    Raises:
        TglError: There is nothing to compare, or a file that is given with others or is no table of curves.
    """
    if files := [path for path in results if path.is_file()]:
        if len(results) > 1:
            raise TglError(
                f"{files[0]}: found {len(results)} files and folders, expected one file curves.csv alone"
            )
        curves = curves_from(_table(files[0]), starts=2 if len(config.periods) > 1 else 1)
        return replace(curves, tried=config.report.tried_rates), []
    if len(results) > 1 or len(config.seeds) == 1:
        kept, lines = whole_runs(rows_of(results, config), config)
        curves = replicate_curves(kept, config.report.uptake)
        return replace(curves, tried=config.report.tried_rates), lines
    curves = gather.all_runs(results[0], config).curves()
    if curves is None:
        raise TglError(
            f"{results[0]}: found no facts to learn or no unchanged facts among the probes, expected both. Choose the "
            "kinds with report.uptake"
        )
    return replace(curves, tried=config.report.tried_rates), []


def _table(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path, dtype={"method": str, "split": str})
    except (OSError, ValueError) as error:
        raise TglError(
            f"{path}: found no CSV table ({error}), expected the file curves.csv of a report"
        ) from error


def advice_lines(found: Advice, level: float) -> Iterator[str]:
    """Yield the advice in words.

    Args:
        found: The advice.
        level: The share of the uptake of `full` at which methods were compared.
    """
    plan, baseline = parse_method(found.method)
    number = len(found.ranking)
    yield f"compared: forgetting of unchanged facts at {level:.0%} of what {REFERENCE} learns, {number} methods"
    if found.reason:
        yield f"{NONE}: {found.reason}"
        if found.method != REFERENCE:
            yield f"least forgetting on validation probes: {found.method} at learning rate {rate_text(found.rate)}"
    else:
        yield f"recommended: {found.method} at learning rate {rate_text(found.rate)}"
    if found.method == REFERENCE:
        return
    yield f"  {_difference(found, REFERENCE)}"
    on = "" if baseline == "plain" else f"+{baseline}"
    if plan != REFERENCE:
        yield _part("plan", plan, found, other=REFERENCE + on)
    if on:
        yield _part(split_baseline(baseline)[0], baseline, found, other=plan)
        for other in found.ranking["method"]:
            rival_plan, rival = parse_method(other)
            same = split_baseline(rival)[0] == split_baseline(baseline)[0]
            if other != found.method and rival_plan == plan and same:
                yield _part(f"{split_baseline(baseline)[0]}, setting", baseline, found, other=other)
    if others := found.undecided():
        yield f"no significant difference from {found.method}: {', '.join(others)}"
    for other, why in found.without_verdict().items():
        yield f"{other}: {why}"
    if short := found.below_level():
        yield f"learn too little to be compared at any rate: {', '.join(short)}"
    if (needed := found.needed()) is not None:
        yield f"replicates that would show this difference to {REFERENCE} with power 80 %, if it is real: {needed}"


def _part(what: str, value: str, found: Advice, *, other: str) -> str:
    """Return whether one part of the chosen method is recommended, from its comparison with `other`."""
    row = found.over(other)
    if row is None:
        return f"{what}: {NONE}, because {other} has not run"
    better = row["verdict"] == BETTER and row["own_rates_difference"] < 0
    told = value if better and not found.reason else NONE
    return f"{what}: {told} ({_difference(found, other)})"


def _difference(found: Advice, other: str) -> str:
    row = found.over(other)
    if math.isnan(row["difference"]):
        return f"compared with {other}: {row['verdict']}"
    apart = shown(row["difference"], row["low"], row["high"])
    own = shown(row["own_rates_difference"], row["own_rates_low"], row["own_rates_high"])
    return (
        f"compared with {other}: forgets {apart} nats per token more, {row['verdict']}, {row['seeds']:.0f} replicates; "
        f"with rates chosen in each replicate: {own}"
    )


def _budget_lines(found: Advice, results: Sequence[Path], config: Config, *, budget: float) -> Iterator[str]:
    open_ones = (found.method, *found.undecided(), *found.without_verdict())
    kept = [REFERENCE, *[name for name in open_ones if name != REFERENCE]]
    runs = [(method, rate) for method, rate in config.runs if method in kept]
    seconds = [value for folder in results for value in run_seconds(folder, config, runs)]
    if not seconds:
        yield "budget: found no run times in the folder benchmarks, so the budget cannot be converted to runs"
        return
    each = sum(seconds) / len(seconds) / 3600
    # Of several folders, each is a replicate, with all its seeds.
    number_of_runs = len(runs) * (len(config.seeds) if len(results) > 1 else 1)
    replicate = each * number_of_runs
    number = math.floor(budget / replicate + 1e-9)  # 3 / 0.6 is a little less than 5.
    now = len(results) if len(results) > 1 or len(config.seeds) == 1 else len(config.seeds)
    yield (
        f"budget: {budget:g} hours are {number} more replicates of {len(kept)} methods ({number_of_runs} runs of "
        f"{each * 60:.1f} minutes), so {now + number} in all: {', '.join(kept)}"
    )
    if (needed := found.needed()) is not None:
        enough = "enough" if now + number >= needed else "not enough"
        yield f"budget: {enough} for the {needed} replicates that would show the difference to {REFERENCE}"


def run_seconds(results: Path, config: Config, runs: Sequence[tuple[str, float]]) -> list[float]:
    """Return the wall-clock seconds of each finished run of (method, rate), from the workflow's benchmarks."""
    layout, found = Layout(str(results), config.model.name), []
    for method, rate in runs:
        for seed in config.seeds:
            job = f"train/{method_folder(method, rate)}/seed{seed}"
            path = Path(layout.path("benchmark", job=job))
            if path.is_file():
                found += pd.read_csv(path, sep="\t")["s"].astype(float).tolist()
    return found
