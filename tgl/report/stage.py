"""Stage `report`: an experiment's folder to index.html, examples.html, figures, CSVs and gate.json."""

from __future__ import annotations

import json
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pandas as pd

from tgl.config import Config
from tgl.files import write_text
from tgl.profiling.factors import example_norms
from tgl.report import gather, method_figures, profile_figures, profile_tables
from tgl.report.csv_text import csv_text
from tgl.report.gate import gates
from tgl.report.limits import limits
from tgl.report.methods import BASE, REFERENCE, Findings, all_measures, chain_tables, findings
from tgl.report.page import render

PACKAGES = ("torch", "transformers", "tokenizers", "deepspeed", "pandas", "pyarrow", "numpy", "snakemake")
HEADLINE = ("perplexity", "ranked_first", "log_likelihood_per_byte", "loss")


def write_report(results: Path, config: Config, output: Path) -> None:
    """Write the report of the experiment in `results`. It is self-contained and needs no network.

    measures.csv: every measure by method, rate, seed, checkpoint and probe set. runs.csv: one value a run.
    summary.csv: means, intervals and paired differences to `full` at the rates chosen on validation. rates.csv,
    curves.csv, equal_uptake.csv, chain.csv, transfers.csv, power.csv: the other tables on methods. gate.json: a list
    of {name, value, limit, met}. along_training.csv: the profile along training taken apart.
    """
    scores, losses = gather.all_scores(results, config)
    measures = all_measures(scores, losses)
    told = findings(
        scores, losses, gather.all_probes(results), config.snapshots.dates, config.report.bootstrap
    )
    profile = gather.all_profiles(results, config)
    norms = gather.all_profiles(results, config, "norms")
    seeds = [example_norms(own) for _, own in norms.groupby("seed", sort=False)]
    along, along_examples = gather.along_training(results, config)
    by_step = profile_tables.along(along_examples) if len(along) else None
    agreement = gather.all_agreements(results, config)
    plans = gather.all_plans(results, config)
    of_gate = (measures["method"] == BASE) | (
        (measures["method"] == REFERENCE) & (measures["rate"] == told.rates[REFERENCE])
    )
    found = gates(measures[of_gate], config.gate, config.periods, config.snapshots.dates[0])
    pictures = _pictures(profile, told, config)
    if by_step is not None:
        pictures["along_training"] = profile_figures.along_training(along)
        write_text(output / "along_training.csv", csv_text(by_step))
    for name, svg in pictures.items():
        write_text(output / f"{name}.svg", svg)
    tables = {
        "measures": measures,
        "runs": told.runs,
        "summary": told.summary,
        "rates": told.criteria,
        "equal_uptake": told.equal_uptake,
        "curves": told.curves,
        "chain": told.matrix,
        "transfers": told.transfers,
        "power": told.power,
    }
    for name, table in tables.items():
        write_text(output / f"{name}.csv", csv_text(table))
    write_text(
        output / "examples.html",
        render(
            "examples.html.j2",
            config=config,
            probes=gather.probe_examples(results, 4),
            diffs=gather.diff_examples(results, config, 6),
        ),
    )
    page = render(
        "index.html.j2",
        config=config,
        config_json=json.dumps(config.model_dump(mode="json"), indent=1),
        versions={name: _version(name) for name in PACKAGES} | {"python": platform.python_version()},
        counts=gather.stage_counts(results, config),
        gates=found,
        pictures=pictures,
        ratios=profile_tables.ratios(profile),
        factors=profile_tables.chains(seeds),
        equal_loss=profile_tables.equal_loss(seeds),
        by_step=by_step,
        paired=profile_tables.paired(gather.all_profiles(results, config, "comparisons")),
        drift=profile_tables.drift(gather.all_drifts(results, config)),
        agreements=profile_tables.agreements(agreement, config.plan.denominator),
        about=gather.profile_about(results, config),
        plans=plans,
        told=told,
        measures=_method_tables(told.summary),
        chain=chain_tables(told),
        reference=REFERENCE,
        rates=_rate_table(gather.realised_rates(results, config)),
        limits=list(limits(config, found, plans, told, profile)),
    )
    write_text(output / "index.html", page)
    write_text(output / "gate.json", json.dumps(found, indent=1) + "\n")


def _pictures(profile: pd.DataFrame, told: Findings, config: Config) -> dict[str, str]:
    summary = told.summary
    order = [
        ("updated", "perplexity", "updated facts\nperplexity, ratio"),
        ("new_entity", "perplexity", "new entities\nperplexity, ratio"),
        ("unchanged", "perplexity", "unchanged facts\nperplexity, ratio"),
        ("old_text", "loss", "old held-out text\nloss, difference"),
        ("new_text", "loss", "new held-out text\nloss, difference"),
    ]
    known = {(row["set"], row["kind"], row["measure"]) for row in summary.to_dict("records")}
    wanted = [
        ((probe_set, kind, measure), title)
        for kind, measure, title in order
        for probe_set in (*config.probes.sets, "text")
        if (probe_set, kind, measure) in known
    ]
    found = {
        "profile": profile_figures.profile_by_block(profile, config.plan.denominator),
        "denominators": profile_figures.ratio_by_denominator(profile),
        "differences": method_figures.differences(
            summary, [key for key, _ in wanted], [title for _, title in wanted]
        ),
    }
    if len(told.curves):
        found["uptake"] = method_figures.uptake_curves(told.curves, REFERENCE)
    if len(told.equal_uptake):
        found["equal_uptake"] = method_figures.equal_uptake(told.equal_uptake, REFERENCE)
    return found


def _method_tables(summary: pd.DataFrame) -> list[tuple[str, list[dict]]]:
    tables = []
    for (probe_set, kind), found in summary[summary["measure"].isin(HEADLINE)].groupby(
        ["set", "kind"], sort=False
    ):
        tables.append((f"{probe_set} · {kind.replace('_', ' ')}", found.to_dict("records")))
    return tables


def _rate_table(rates: pd.DataFrame) -> list[dict]:
    """Return the largest rate that each sublayer really had, and how far it moved, mean over seeds and periods."""
    peak = rates.groupby(["method", "seed", "period", "sublayer"], sort=False)[
        ["learning_rate", "max_change"]
    ].max()
    mean = peak.groupby(["method", "sublayer"], sort=False).mean().reset_index()
    return [
        {"method": method, "units": found.to_dict("records")}
        for method, found in mean.groupby("method", sort=False)
    ]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
