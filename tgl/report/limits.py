"""What cannot be concluded from a run, worked out from its configuration and its intervals."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from tgl.config import Config
from tgl.plans.names import parse_method, parse_plan, rate_text
from tgl.plans.plan import Plan
from tgl.report.methods import Findings
from tgl.report.notes import embedding_note, listed
from tgl.report.profile_figures import LABELS
from tgl.report.uptake_advice import advice
from tgl.statistics.compare import NO_DIFFERENCE

SCALED = ("tgl_alr", "shuffled_alr", "full_at_mean_lr")


def limits(
    config: Config,
    gates: list[dict],
    plans: list[tuple[int, Plan]],
    told: Findings,
    profile: pd.DataFrame,
) -> Iterator[str]:
    """Yield sentences for the section of that name."""
    if missed := [gate["name"] for gate in gates if not gate["met"]]:
        yield f"The gate was missed ({'; '.join(missed)}): the comparisons of this run are no evidence about methods."
    if not gates:
        yield (
            "No test probe has candidates to rank, so this run does not show whether the base model knows the facts it "
            "is asked for. The perplexities below say how well text of this kind is predicted, not what is known."
        )
    yield from _seeds(config)
    yield from _rates(config, told)
    if text := advice(told.equal_uptake, config.train.learning_rates):
        yield text
    kinds = set(told.summary["kind"])
    if "new_text" not in kinds:
        yield "No new page fell into the held-out share: there is no held-out loss of new text."
    if "old_text" not in kinds:
        yield "No page of the base text fell into the held-out share: there is no held-out loss of old text."
    yield from _comparisons(told.summary)
    for seed, plan in plans:
        if plan.note.startswith("no random subset"):
            yield f"Seed {seed}, plan {plan.method}: {plan.note}."
    for group in ("updated", "new_entity"):
        yield from _averaging(profile, group)
    yield f"{embedding_note(plans)} Results may differ with them."
    if config.model.load is None:
        yield (
            f"The model has {config.model.layers} blocks of width {config.model.hidden_size} and was trained from "
            "scratch: results may differ for other sizes and for models pretrained on other text."
        )
    else:
        yield (
            f"One model was studied ({config.model.load}): results may differ for others. What it learned in its own "
            "pretraining, and when that ended, is not known to this report."
        )


def _seeds(config: Config) -> Iterator[str]:
    """Say what the number of seeds allows, and what the intervals over them cover."""
    number = len(config.seeds)
    if len(config.seeds) < 2:
        yield "One seed: differences between methods have no interval over seeds, and none is tested."
        return
    if len(config.seeds) < 3:
        yield f"{number} seeds: the comparisons are underpowered. No significant difference is not no difference."
    base = "initialisation, " if config.model.load is None else ""
    source = (
        "of one synthetic world"
        if config.snapshots.source == "synthetic"
        else "on one set of snapshots and probes"
    )
    yield (
        f"{number} seeds {source}: the intervals cover {base}data order and the choice of subjects asked, not the "
        f"choice of {'world' if config.snapshots.source == 'synthetic' else 'text'}."
    )


def _rates(config: Config, told: Findings) -> Iterator[str]:
    rates = config.train.learning_rates
    if len(rates) == 1:
        text = f"One learning rate ({rate_text(rates[0])})"
        text += (
            " for all methods, not chosen on validation"
            if len(config.methods) > 1
            else ", not chosen on validation"
        )
        if len(config.methods) > 1:
            text += ": a method whose best rate is another is at a disadvantage"
        scaled = [name for name in config.methods if parse_plan(parse_method(name)[0]).policy in SCALED]
        if scaled:
            text += f"; {listed(scaled)} train{'s' if len(scaled) == 1 else ''} sublayers at multiples of it"
        yield f"{text}."
    if told.edges:
        yield (
            f"The rate chosen on validation is the smallest or largest tried for {', '.join(told.edges)}: the best "
            "rate of these methods may lie outside the grid."
        )


def _comparisons(summary: pd.DataFrame) -> Iterator[str]:
    significant = int(summary["verdict"].isin(["better", "worse"]).sum())
    tested = significant + int((summary["verdict"] == NO_DIFFERENCE).sum())
    if tested:
        yield (
            f"{significant} of {tested} comparisons are significant after Holm correction for the number of "
            "comparisons of the same measure. The measures of one kind of probe are views of the same scores."
        )


def _averaging(profile: pd.DataFrame, kind: str) -> Iterator[str]:
    """Say how much of the relative norm over windows random spans and random weights reach as well."""

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
        f"Over windows of plain text, {LABELS[kind]} have {salient:.1f} times the gradient norm; random spans of "
        f"the same length have {spans:.1f} times"
    )
    if shuffled is not None:
        text += f", the same probes with shuffled answers {shuffled:.1f} times"
    if random is not None:
        text += f", and {LABELS[kind]} under random weights {random:.1f} times"
    causes = ["from averaging over few tokens"]
    if shuffled is not None:
        causes.append("from the kind of text or any wrong answer being a surprise")
    yield (
        f"{text}. As much of the ratio as these controls reach comes {' or '.join(causes)}; it is no evidence of where "
        "a fact is stored."
    )
