"""Stage `report`: write three pages, figures, CSV tables and gate.json of an experiment."""

from __future__ import annotations

import json
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pandas as pd

from tgl.analysis.curve_points import mean_points, most_learned_rate
from tgl.config.root import Config
from tgl.config.used import used_settings
from tgl.core.files import write_text
from tgl.report import gather, method_figures, notes, profile_figures, profile_tables
from tgl.report.charts import profile_chart, training_chart, uptake_chart
from tgl.report.csv_text import csv_text
from tgl.report.drill_down import continuations, probe_rows, withheld_of
from tgl.report.found import what_was_found
from tgl.report.gate import gates, shortfall
from tgl.report.limits import limits
from tgl.report.methods import REFERENCE, Findings, chain_tables, findings
from tgl.report.page import render
from tgl.report.rate_table import rate_table
from tgl.report.run_figures import plan_heatmap, training_curves
from tgl.report.runs import BASE

PACKAGES = ("torch", "transformers", "tokenizers", "deepspeed", "pandas", "pyarrow", "numpy", "snakemake")
HEADLINE = ("perplexity", "ranked_first", "exact_match", "new_minus_old", "log_likelihood_per_byte", "loss")


def write_report(results: Path, config: Config, output: Path) -> None:
    """Write the report of an experiment. The pages are self-contained and need no network.

    Files in `output` besides the three pages and the figures:

    - measures.csv: every measure by method, rate, seed, checkpoint and probe set.
    - runs.csv: one value for each run, set, kind and measure.
    - summary.csv: means, intervals and paired differences to `full` at the rates chosen on validation.
    - rates.csv, curves.csv, equal_uptake.csv, chain.csv, transfers.csv, power.csv: the other tables on methods.
    - ratios.csv, drift.csv: the profile by group and denominator, and how it changes between periods.
    - along_training.csv: the factors of the profile at each training step, if checkpoints were kept.
    - gate.json: a list of {name, value, limit, met}.

    Args:
        results: Folder of the experiment.
        config: Configuration of the experiment.
        output: Folder for the report.
    """
    runs = gather.all_runs(results, config)
    measures = runs.measures()
    method_findings = findings(runs, config.report)
    profile = gather.all_profiles(results, config)
    denominator = _shown_denominator(profile, config)
    seeds = gather.all_example_norms(results, config)
    along, along_examples = gather.along_training(results, config)
    by_step = profile_tables.along(along_examples) if len(along) else None
    agreement = gather.all_agreements(results, config)
    plans = gather.all_plans(results, config)
    # The gates ask whether the facts can be learned at all, so they do not use a rate that was chosen to forget little,
    # unless there are no curves to choose another one by.
    rate = most_learned_rate(method_findings.curves, REFERENCE) or method_findings.rates[REFERENCE]
    of_gate = (measures["method"] == BASE) | ((measures["method"] == REFERENCE) & (measures["rate"] == rate))
    found = gates(measures[of_gate], config.gate, config.periods, base=config.snapshots.dates[0])
    pictures = _pictures(profile, method_findings, config, denominator=denominator)
    ratios = profile_tables.ratios(profile)
    drift = profile_tables.drift(gather.all_drifts(results, config))
    about = gather.profile_about(results, config)
    rates = rate_table(gather.realised_rates(results, config))
    pictures["plans"] = plan_heatmap(plans)
    losses = gather.training_losses(results, config)
    pictures["training"] = training_curves(losses)
    charts = {
        "profile": profile_chart(profile[profile["weights"] == "trained"], denominator),
        "training": training_chart(losses, REFERENCE),
    }
    if len(method_findings.curves):
        charts["uptake"] = uptake_chart(mean_points(method_findings.curves), method_findings.rates, REFERENCE)
    if by_step is not None:
        pictures["along_training"] = profile_figures.along_training(along)
        write_text(output / "along_training.csv", csv_text(by_step))
    for name, svg in pictures.items():
        write_text(output / f"{name}.svg", svg)
    tables = {
        "measures": measures,
        "runs": method_findings.runs,
        "summary": method_findings.summary,
        "rates": method_findings.criteria,
        "equal_uptake": method_findings.equal_uptake,
        "curves": method_findings.curves,
        "chain": method_findings.matrix,
        "transfers": method_findings.transfers,
        "power": method_findings.power,
        "ratios": profile_tables.flat(ratios),
        "drift": pd.DataFrame(drift, columns=profile_tables.DRIFT),
    }
    for name, table in tables.items():
        write_text(output / f"{name}.csv", csv_text(table))
    write_text(
        output / "examples.html",
        render(
            "examples.html.j2",
            config=config,
            probes=gather.probe_examples(results, config, 4),
            diffs=gather.diff_examples(results, config, 6),
        ),
    )
    write_text(output / "probes.html", _probes_page(results, config, method_findings))
    page = render(
        "index.html.j2",
        config=config,
        config_json=json.dumps(used_settings(config), indent=1),
        versions={name: _version(name) for name in PACKAGES} | {"python": platform.python_version()},
        counts=gather.stage_counts(results, config),
        gates=found,
        short=shortfall(found),
        sentences=what_was_found(config, found, method_findings, profile=profile, denominator=denominator),
        pictures=pictures,
        charts=charts,
        ratios=ratios,
        factors=profile_tables.chains(seeds),
        equal_loss=profile_tables.equal_loss(seeds),
        by_step=by_step,
        paired=profile_tables.paired(gather.all_profiles(results, config, "comparisons")),
        drift=drift,
        agreements=profile_tables.agreements(agreement, denominator),
        about=about,
        plans=plans,
        findings=method_findings,
        measures=_method_tables(method_findings.summary),
        chain=chain_tables(method_findings),
        reference=REFERENCE,
        several_rates=len(config.runs) > len(config.methods),
        rates=[(method, own.to_dict("records")) for method, own in rates.groupby("method", sort=False)],
        limits=list(limits(config, found, plans, findings=method_findings, profile=profile)),
        denominator=denominator,
        notes={
            "lead": notes.lead(config),
            **notes.profile_notes(config, profile, denominator),
            "taken": notes.examples_of(about),
            "along": notes.along_note(config),
            "drift": notes.drift_note(config, drift),
            "plans": notes.plans_note(config, plans),
            "methods": notes.methods_note(config, method_findings.summary, REFERENCE),
            "uptake": notes.uptake_notes(config, method_findings.equal_uptake, REFERENCE),
            "chain": notes.chain_note(config, runs, method_findings.transfers),
            "trained": notes.trained_note(config, rates),
        },
    )
    write_text(output / "index.html", page)
    write_text(output / "gate.json", json.dumps(found, indent=1) + "\n")


def _probes_page(results: Path, config: Config, found: Findings) -> str:
    probes, start = gather.all_probes(results, config), config.snapshots.dates[0]
    methods, rate_of = list(found.rates), found.rates | {BASE: 0.0}
    rows, left_out = probe_rows(
        probes,
        lambda method: gather.scores_of(results, config, method, rate=rate_of[method]),
        methods,
        base=BASE,
        start=start,
    )
    return render(
        "probes.html.j2",
        config=config,
        rows=rows,
        left_out=left_out,
        methods=methods,
        withheld=withheld_of(gather.withheld_pieces(results, config), [row.probe["id"] for row in rows]),
        continuations=continuations(
            probes,
            lambda method: gather.generations_of(results, config, method, rate=rate_of[method]),
            methods,
            base=BASE,
            start=start,
        ),
    )


def _shown_denominator(profile: pd.DataFrame, config: Config) -> str:
    """Return the configured denominator, or the first one in the profile if the profile does not have it."""
    found = list(dict.fromkeys(profile["denominator"]))
    return config.plan.denominator if config.plan.denominator in found else found[0]


def _pictures(
    profile: pd.DataFrame, method_findings: Findings, config: Config, *, denominator: str
) -> dict[str, str]:
    summary = method_findings.summary
    order = [
        ("updated", "perplexity", "updated facts\nperplexity, ratio"),
        ("new_entity", "perplexity", "new entities\nperplexity, ratio"),
        ("unchanged", "perplexity", "unchanged facts\nperplexity, ratio"),
        ("old_text", "loss", "old held-out text\nloss, difference"),
        ("new_text", "loss", "new held-out text\nloss, difference"),
    ]
    known = {(row["set"], row["kind"], row["measure"]) for row in summary.to_dict("records")}
    several = len(config.probes.sets) > 1
    wanted = [
        ((probe_set, kind, measure), f"{probe_set}: {title}" if several and probe_set != "text" else title)
        for kind, measure, title in order
        for probe_set in (*config.probes.sets, "text")
        if (probe_set, kind, measure) in known
    ]
    found = {
        "profile": profile_figures.profile_by_block(profile[profile["weights"] == "trained"], denominator),
        "denominators": profile_figures.ratio_by_denominator(profile),
    }
    random = profile[profile["weights"] == "random"]
    if len(random):
        found["profile_random"] = profile_figures.profile_by_block(random, denominator)
    if wanted and summary["difference"].notna().any():
        found["differences"] = method_figures.differences(
            summary, [key for key, _ in wanted], [title for _, title in wanted]
        )
    if len(method_findings.curves):
        found["uptake"] = method_figures.uptake_curves(
            mean_points(method_findings.curves), method_findings.rates, REFERENCE
        )
    if method_findings.matrix["period"].nunique() > 1:
        found["forgetting_matrix"] = method_figures.forgetting_matrix(method_findings.matrix, BASE)
    of_reference = method_findings.equal_uptake.get("reference", pd.Series(dtype=object)) == REFERENCE
    if of_reference.any():
        found["equal_uptake"] = method_figures.equal_uptake(method_findings.equal_uptake, REFERENCE)
    return found


def _method_tables(summary: pd.DataFrame) -> list[tuple[str, list[dict]]]:
    tables = []
    for (probe_set, kind), found in summary[summary["measure"].isin(HEADLINE)].groupby(
        ["set", "kind"], sort=False
    ):
        tables.append((f"{probe_set} · {kind.replace('_', ' ')}", found.to_dict("records")))
    return tables


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
