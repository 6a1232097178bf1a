"""Derive the limitations of a run from its configuration and its intervals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pandas as pd

from tgl.analysis.compare import BETTER, NO_DIFFERENCE, WORSE
from tgl.config.root import Config
from tgl.plans.names import parse_plan
from tgl.plans.plan import Plan
from tgl.plans.policy import POLICIES
from tgl.report.gate import shortfall
from tgl.report.methods import Findings
from tgl.report.notes import embedding_note, listed, without_verdict
from tgl.report.profile_figures import LABELS
from tgl.train.methods import parse_method, rate_text


def limits(
    config: Config,
    gates: list[dict],
    plans: list[tuple[int, Plan]],
    *,
    findings: Findings,
    profile: pd.DataFrame,
) -> Iterator[str]:
    """Yield the sentences of the report's section "What cannot be concluded".

    Args:
        config: Configuration of the experiment.
        gates: Gates of the experiment, as `tgl.report.gate.gates` returns them.
        plans: (seed, plan) of every plan.
        findings: Comparisons of the methods.
        profile: Table `profile` of all seeds.
    """
    if short := shortfall(gates):
        yield f"{short}: the comparisons of this run are not evidence about methods."
    if not gates:
        yield (
            "No test probe has candidates to rank, so this run does not show whether the base model knows the facts in "
            "the probes. The perplexities below measure how well it predicts text of this kind, not what it knows."
        )
    yield from _seeds(config)
    yield from _rates(config, findings)
    if text := without_verdict(findings.equal_uptake):
        yield text
    kinds = set(findings.summary["kind"])
    if "new_text" not in kinds:
        yield "No new page fell into the held-out share, so there is no held-out loss of new text."
    if "old_text" not in kinds:
        yield "No page of the base text fell into the held-out share, so there is no held-out loss of old text."
    yield from _comparisons(findings.summary)
    for seed, plan in plans:
        if plan.note.startswith("no random subset"):
            yield f"Seed {seed}, plan {plan.method}: {plan.note}."
    for group in ("updated", "new_entity"):
        yield from _averaging(profile, group)
    yield f"{embedding_note(plans)} Results may differ with them."
    if config.model.load is None:
        yield (
            f"The model has {config.model.layers} blocks of width {config.model.hidden_size} and was trained from "
            "scratch. Results may differ for other sizes and for models pretrained on other text."
        )
    else:
        yield (
            f"One model was studied ({config.model.load}). Results may differ for other models. This report has no "
            "information about the text of its pretraining or the date on which that text ends."
        )


def _seeds(config: Config) -> Iterator[str]:
    """Yield what the number of seeds allows and which variation the intervals cover."""
    number = len(config.seeds)
    if len(config.seeds) < 2:
        yield "One seed: differences between methods have no interval over seeds and are not tested."
        return
    if len(config.seeds) < 3:
        yield (
            f"{number} seeds: the comparisons are underpowered. No significant difference does not mean that the "
            "methods are equal."
        )
    base = "initialisation, " if config.model.load is None else ""
    source = (
        "of one synthetic world"
        if config.snapshots.source == "synthetic"
        else "on one set of snapshots and probes"
    )
    yield (
        f"{number} seeds {source}: the intervals cover {base}data order and the choice of probe subjects. They do not "
        f"cover the choice of {'world' if config.snapshots.source == 'synthetic' else 'text'}."
    )


def _rates(config: Config, findings: Findings) -> Iterator[str]:
    rates = sorted({rate for _, rate in config.runs})
    if len(rates) > 1 and len(config.runs) == len(config.methods):
        yield (
            f"One learning rate for each method ({listed(rate_text(rate) for rate in rates)}), not chosen on "
            "validation: a method whose best rate is different is at a disadvantage."
        )
    if len(rates) == 1:
        text = f"One learning rate ({rate_text(rates[0])})"
        text += (
            " for all methods, not chosen on validation"
            if len(config.methods) > 1
            else ", not chosen on validation"
        )
        if len(config.methods) > 1:
            text += ": a method whose best rate is different is at a disadvantage"
        scaled = [name for name in config.methods if _scales(name)]
        if scaled:
            text += f"; {listed(scaled)} train{'s' if len(scaled) == 1 else ''} sublayers at multiples of it"
        yield f"{text}."
    number = Counter(method for method, _ in config.runs)
    if max(number.values()) > 1 and (alone := [method for method, count in number.items() if count == 1]):
        yield (
            f"One learning rate for {listed(alone)} and several for other methods: with one rate a method may miss its "
            "best one, so the comparison favours the others."
        )
    if findings.edges:
        yield (
            f"The rate chosen on validation is the smallest or largest tried for {', '.join(findings.edges)}: the best "
            "rate of these methods may be outside the grid."
        )


def _comparisons(summary: pd.DataFrame) -> Iterator[str]:
    significant = int(summary["verdict"].isin([BETTER, WORSE]).sum())
    tested = significant + int((summary["verdict"] == NO_DIFFERENCE).sum())
    if tested:
        yield (
            f"{significant} of {tested} comparisons are significant after Holm correction for the number of "
            "comparisons of the same measure. All measures of one kind of probe come from the same scores, so they are "
            "not independent."
        )


def _averaging(profile: pd.DataFrame, kind: str) -> Iterator[str]:
    """Yield how much of the relative norm over windows the controls (random spans, random weights) reach too."""

    def mean(weights: str, group: str) -> float | None:
        chosen = profile[
            (profile["weights"] == weights)
            & (profile["group"] == group)
            & (profile["denominator"] == "window")
            & (profile["sublayer"] == "all")
        ]["relative_norm"]
        return float(chosen.mean()) if len(chosen) else None

    salient, spans = mean("trained", kind), mean("trained", f"matched_span.{kind}")
    shuffled, random = mean("trained", f"shuffled.{kind}"), mean("random", kind)
    if salient is None or spans is None:
        return
    text = (
        f"Relative to windows of plain text, {LABELS[kind]} have {salient:.1f} times the gradient norm; random spans "
        f"of the same length have {spans:.1f} times"
    )
    if shuffled is not None:
        text += f", the same probes with shuffled answers {shuffled:.1f} times"
    if random is not None:
        text += f", and {LABELS[kind]} under random weights {random:.1f} times"
    causes = ["from averaging over few tokens"]
    if shuffled is not None:
        causes.append("from the kind of text or the high loss of any wrong answer")
    yield (
        f"{text}. The part of the ratio that these controls reach too comes {' or '.join(causes)}. It is not evidence "
        "of where a fact is stored."
    )


def _scales(method: str) -> bool:
    return POLICIES.get(parse_plan(parse_method(method)[0]).policy).scales
