"""Compare methods over replicates: experiments that differ only in what was drawn at random, such as a partition.

Each replicate is one value: the mean over its probes and seeds. Intervals are over replicates, with Student's t.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from tgl.analysis.curve_points import curve_points
from tgl.analysis.equal_uptake import MethodCurves, at_equal_uptake
from tgl.analysis.uptake import Curves
from tgl.config.root import Config
from tgl.core.errors import TglError
from tgl.core.files import write_text
from tgl.core.layout import BASE, Layout
from tgl.core.tables.read import read_table
from tgl.core.vocabulary import TEST, UNCHANGED, VALIDATION
from tgl.report.csv_text import csv_text
from tgl.report.methods import REFERENCE, all_comparisons
from tgl.train.methods import method_folder, rate_text

PLACE = ["experiment", "method", "rate", "seed", "step"]
KEY = ["split", "set", "kind"]


def write_replicates(results: Sequence[Path], config: Config, output: Path) -> list[str]:
    """Write steps.csv, curves.csv and equal_uptake.csv, and return what was found, as lines.

    A run that a seed of some replicate lacks is left out and named.

    Args:
        results: The folders of the experiments.
        config: Their configuration.
        output: The folder to write.

    Raises:
        TglError: Nothing has run in every replicate, two replicates have one name, or they hold no facts to learn or no
            unchanged facts.
    """
    rows = rows_of(results, config)
    write_text(output / "steps.csv", csv_text(rows))
    kept, lines = whole_runs(rows, config)
    curves = replace(replicate_curves(kept, config.report.uptake), tried=config.report.tried_rates)
    planned = [(method, reference) for method, reference in config.report.comparisons]
    table = at_equal_uptake(
        curves, planned or all_comparisons(list(config.methods)), primary=config.report.level
    )
    write_text(output / "curves.csv", csv_text(curve_points(curves)))
    write_text(output / "equal_uptake.csv", csv_text(table))
    shown = table[table["share"] == config.report.level]
    return lines + [_line(row) for row in shown.itertuples()]


def _line(row) -> str:
    if math.isnan(row.difference):
        return f"{row.method} compared with {row.reference}: {row.verdict}"
    lost = f"forgets {row.forgetting:.3f} instead of {row.reference_forgetting:.3f} nats"
    apart = shown(row.difference, row.low, row.high)
    own = shown(row.own_rates_difference, row.own_rates_low, row.own_rates_high)
    return (
        f"{row.method} compared with {row.reference}: {lost} (difference {apart}): {row.verdict}; with rates chosen in "
        f"each replicate: {own}"
    )


def shown(mean: float, low: float, high: float) -> str:
    """Return a difference with its interval as text, without what is NaN."""
    if math.isnan(mean):
        return "no result"
    return f"{mean:.3f}" if math.isnan(low) else f"{mean:.3f} [{low:.3f}, {high:.3f}]"


def rows_of(results: Sequence[Path], config: Config) -> pd.DataFrame:
    """Return `step_rows` of all replicates.

    Raises:
        TglError: Two folders have the same name, by which the tables tell replicates apart.
    """
    names = [folder.resolve().name for folder in results]
    if twice := [name for name in names if names.count(name) > 1]:
        raise TglError(
            f"found {len(twice)} replicates called '{twice[0]}', expected folders with different names, each one once"
        )
    return pd.concat([step_rows(folder, config) for folder in results], ignore_index=True)


def whole_runs(rows: pd.DataFrame, config: Config) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows of the runs that every replicate has with all seeds, and a line for each other run.

    Raises:
        TglError: There is no such run of `full`.
    """
    replicates = rows["experiment"].nunique()
    number = replicates * len(config.seeds)
    found = (
        rows[["method", "rate", "experiment", "seed"]].drop_duplicates().groupby(["method", "rate"]).size()
    )
    whole = {run for run in config.runs if found.get(run, 0) == number}
    if not any(method == REFERENCE for method, _ in whole):
        raise TglError(
            f"found no run of '{REFERENCE}' in all {replicates} replicates, expected one with every seed. Finish the "
            "runs"
        )
    of = "replicates" if len(config.seeds) == 1 else "seeds of the replicates"
    lines = [
        f"left out: {method} at rate {rate_text(rate)}, found in {found.get((method, rate), 0)} of {number} {of}"
        for method, rate in config.runs
        if (method, rate) not in whole
    ]
    keys = list(zip(rows["method"], rows["rate"], strict=True))
    return rows[[key in whole or key[0] == BASE for key in keys]], lines


def step_rows(results: Path, config: Config) -> pd.DataFrame:
    """Return the scores of every run of an experiment with one period by step.

    Returns:
        A table with the columns experiment, method, rate, seed, step, split, set, kind, measure, value and count. The
        measure `loss` is a mean over probes of nats per token, `text_loss` and `kl_from_base` are nats per token of
        held-out text (whose name is in `kind`). The base model has the method `base` and step 0. Runs that are not
        finished are left out.

    Raises:
        TglError: The experiment has several periods or no steps to score.
    """
    if len(config.periods) != 1 or not config.train.score_at:
        raise TglError(
            f"{results}: found {len(config.periods)} periods and {len(config.train.score_at)} steps of train.score_at, "
            "expected 1 period and at least 1 step"
        )
    layout, found = Layout(str(results), config.model.name), []
    for method, rate in ((BASE, 0.0), *config.runs):
        folder = method if method == BASE else method_folder(method, rate)
        for seed in config.seeds:
            place = {"experiment": results.resolve().name, "method": method, "rate": rate, "seed": seed}
            if not Path(layout.path("scores", method=folder, seed=seed)).is_file():
                if method == BASE:
                    raise TglError(
                        f"{results}: found no scores of the base model, seed {seed}. Run the rule score_base"
                    )
                continue
            if method == BASE:
                scores = read_table(layout.path("scores", method=folder, seed=seed), "scores").to_pandas()
                # The scores of steps are those of the period's own probes.
                own = scores[scores["period"].isin(config.periods)]
                found.append(_means(own.assign(step=0)).assign(**place))
                continue
            steps = read_table(
                layout.path("step_scores", method=folder, seed=seed), "step_scores"
            ).to_pandas()
            losses = read_table(
                layout.path("step_losses", method=folder, seed=seed), "step_losses"
            ).to_pandas()
            found += [_means(steps).assign(**place), _texts(losses).assign(**place)]
    return pd.concat(found, ignore_index=True)[[*PLACE, *KEY, "measure", "value", "count"]]


def _means(scores: pd.DataFrame) -> pd.DataFrame:
    loss = -scores["log_likelihood"] / scores["num_tokens"]
    groups = scores.assign(loss=loss).groupby(["step", *KEY], sort=True)["loss"]
    return groups.agg(value="mean", count="size").reset_index().assign(measure="loss")


def _texts(losses: pd.DataFrame) -> pd.DataFrame:
    own = losses.assign(split="held_out", set="text", kind=losses["text"], count=losses["num_tokens"])
    loss = own.assign(measure="text_loss", value=own["negative_log_likelihood"] / own["num_tokens"])
    divergence = own.assign(measure="kl_from_base", value=own["kl_from_base"])
    columns = ["step", *KEY, "measure", "value", "count"]
    return pd.concat([loss, divergence[divergence["value"].notna()]], ignore_index=True)[columns]


def replicate_curves(rows: pd.DataFrame, kinds: Sequence[str]) -> MethodCurves:
    """Return the curves of all methods whose seeds are replicates.

    Args:
        rows: What `step_rows` returns, of all experiments.
        kinds: The kinds of the facts to learn. Forgetting is that of unchanged facts of the same sets.

    Raises:
        TglError: A replicate lacks a run that another one has, there are no such facts, or a run has scores of other
            numbers of probes than its base model.
    """
    rows = rows[rows["measure"] == "loss"]
    sets = set(rows.loc[rows["kind"].isin(kinds), "set"])
    rows = rows[rows["set"].isin(sets)]
    sides = {"uptake": rows[rows["kind"].isin(kinds)], "forgetting": rows[rows["kind"] == UNCHANGED]}
    for split in (VALIDATION, TEST):
        for side, own in sides.items():
            if split not in set(own["split"]):
                what = "facts to learn" if side == "uptake" else "unchanged facts"
                raise TglError(
                    f"found no {what} among the {split} probes, expected some. Choose the kinds with report.uptake"
                )
    _check_same_probes(rows)
    tables = {}
    for side, own in sides.items():
        weighted = own.assign(total=own["value"] * own["count"])
        sums = weighted.groupby(["split", "method", "rate", "step", "experiment"])[["total", "count"]].sum()
        tables[side] = sums["total"] / sums["count"]
    experiments = sorted(rows["experiment"].unique())
    found = {split: _curves({side: table[split] for side, table in tables.items()}, experiments)
             for split in (VALIDATION, TEST)}  # fmt: skip
    steps = rows.loc[rows["method"] != BASE, "step"].nunique()
    return MethodCurves(found[VALIDATION], found[TEST], steps)


def _check_same_probes(rows: pd.DataFrame) -> None:
    """Check that every step of every run has as many probes as its base model, and values that are numbers.

    Raises:
        TglError: A step has other numbers of probes than the base model, or a value is not a number.
    """
    of_seed = ["experiment", "seed"]
    counts = rows.pivot_table(
        index=[*of_seed, "method", "rate", "step"],
        columns=["split", "set", "kind"],
        values="count",
        aggfunc="sum",
    ).fillna(0)
    of_base = counts.xs(BASE, level="method").droplevel(["rate", "step"])
    for place, found in counts.iterrows():
        experiment, seed, method, rate, step = place
        expected = of_base.loc[(experiment, seed)]
        if not found.equals(expected):
            raise TglError(
                f"{experiment}: method {method} at rate {rate_text(rate)}, seed {seed}, step {step}: found scores of "
                f"{found.sum():.0f} probes, expected the {expected.sum():.0f} of the base model. The probes "
                "have changed since this run: run it again"
            )
    if len(wrong := rows[rows["value"].isna()]):
        row = wrong.iloc[0]
        raise TglError(
            f"{row['experiment']}: method {row['method']} at rate {rate_text(row['rate'])}, seed {row['seed']}, step "
            f"{row['step']}: found a loss that is not a number. Run it again with a smaller learning rate"
        )


def _curves(tables: dict[str, pd.Series], experiments: list[str]) -> dict[str, dict[float, Curves]]:
    runs = dict.fromkeys((method, rate) for method, rate, *_ in tables["uptake"].index if method != BASE)
    found: dict[str, dict[float, Curves]] = {}
    for method, rate in runs:
        sides = []
        for table in tables.values():
            start = table[BASE].groupby("experiment").mean().reindex(experiments)
            points = table[method, rate].unstack("experiment").reindex(columns=experiments)
            values = np.vstack([start.to_numpy()[None], points.sort_index().to_numpy()])
            if np.isnan(values).any():
                missing = [
                    name for name, column in zip(experiments, values.T, strict=True) if np.isnan(column).any()
                ]
                raise TglError(
                    f"{method} at rate {rate:g}: found no scores in {', '.join(missing)}, expected those of every "
                    "replicate. Finish these runs, or leave the replicate out"
                )
            sides.append(values[..., None])
        found.setdefault(method, {})[rate] = Curves(*sides, (np.ones(1), np.ones(1)))
    return found
