"""Write the captions and notes of the report that depend on the configuration and the data of the run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from tgl.config.root import Config
from tgl.plans.plan import Plan
from tgl.report.profile_figures import LABELS
from tgl.report.runs import Runs
from tgl.train.methods import parse_method


def listed(names: Iterable[str]) -> str:
    """Return names as 'a', 'a and b' or 'a, b and c'."""
    *first, last = list(names) or [""]
    return f"{', '.join(first)} and {last}" if first else last


def base_model(config: Config) -> str:
    """Describe the base model: trained from scratch, loaded, or loaded and adapted."""
    if config.model.load is None:
        return "the base model after pretraining from scratch"
    return "the loaded model after adaptation" if config.model.pretrain.steps else "the loaded model"


def together(config: Config) -> str:
    """Return ' of all sets together' if the experiment has several probe sets, else an empty string."""
    return " of all sets together" if len(config.probes.sets) > 1 else ""


def lead(config: Config) -> str:
    """Summarise in one sentence what was run."""
    counts = (
        (len(config.methods), "method"),
        (len({rate for _, rate in config.runs}), "learning rate"),
        (len(config.seeds), "seed"),
        (len(config.periods), "period"),
    )
    shown = [f"{number} {name}{'s' if number > 1 else ''}" for number, name in counts]
    return (
        "Gradient profile of the base model, plans of the sublayers that each method updates, and continual "
        f"pretraining with each method: {listed(shown)}."
    )


def profile_notes(config: Config, profile: pd.DataFrame, denominator: str) -> dict[str, str]:
    """Return the captions of the two profile figures, with the keys `profile` and `denominators`."""
    many, twin = len(config.seeds) > 1, "random" in set(profile["weights"])
    groups = set(profile["group"])
    controls = " and their controls" if any("." in group for group in groups) else ""
    block = f"Gradient norm of each sublayer for salient spans{controls}, divided by that of {LABELS[denominator]}. "
    others = any(group == "unchanged" or "." in group for group in groups)
    block += "Each column adds one other group. " if others and groups != {"unchanged"} else ""
    block += (
        "Lines: mean over seeds; bands: the widest 95 % bootstrap limits over examples of any seed."
        if many
        else "Bands: 95 % bootstrap limits over examples."
    )
    block += f" Model: {base_model(config)}."
    means = "Mean over sublayers by denominator"
    if twin:
        means += "; filled: trained weights, hollow: random weights"
    reached = ["random spans"] if any(group.startswith("matched_span.") for group in groups) else []
    reached += ["random weights"] if twin else []
    if reached:
        means += f". A ratio that {' or '.join(reached)} reach too is not evidence of stored knowledge"
    partly = _in_part_of_the_seeds(profile, len(config.seeds))
    if partly:
        means += (
            f". Not measured in every seed, and averaged over the seeds that have a value: {listed(partly)}"
        )
    return {"profile": block, "denominators": f"{means}."}


def _in_part_of_the_seeds(profile: pd.DataFrame, num_seeds: int) -> list[str]:
    seeds = profile.groupby(["weights", "group"], sort=False)["seed"].nunique()
    return list(
        dict.fromkeys(group.replace("_", " ") for (_, group), number in seeds.items() if number < num_seeds)
    )


def examples_of(about: dict) -> str:
    """State which kinds of probe the profile took from another period; an empty string if none."""
    period = about.get("period")
    other = {
        kind: taken for kind, taken in about.get("periods taken", {}).items() if period and taken != [period]
    }
    return " ".join(
        f"Period {period} has no validation probes of the kind {kind.replace('_', ' ')}; those of {listed(taken)} were "
        "profiled."
        for kind, taken in other.items()
    )


def along_note(config: Config) -> str:
    """Return the caption of the figure along training."""
    text = "Mean relative norm over sublayers along "
    if config.model.load is not None:
        return text + "the adaptation of the loaded model; step 0 is the model as loaded."
    text += "the base model's training from scratch."
    if 0 in config.model.pretrain.kept:
        text += " Step 0 has random weights: a ratio that is present at step 0 was not learned."
    return text


def drift_note(config: Config, drift: Sequence[dict]) -> str:
    """State how the drift of the profile was measured, or why it was not measured."""
    later = config.periods[1:]
    if not later:
        return "There is one period, so there is no drift between periods."
    text = (
        "Every run profiled its model before each period and made a new plan. "
        if config.profile.periods == "each"
        else "The first profile was used for all periods. "
    )
    if not drift:
        return (
            text
            + "The profile was not measured before any later period. The logs of the training runs state the reason."
        )
    if config.profile.periods == "first":
        text += (
            "During plain training of every sublayer, the profile was measured again before later periods. "
        )
    missing = [period for period in later if period not in {row["period"] for row in drift}]
    if missing:
        text += (
            f"It was not measured before {listed(missing)}. The logs of the training runs state the reason. "
        )
    over = "; means over seeds" if len(config.seeds) > 1 else ""
    return text + (
        "The table shows the rank correlation over sublayers with the first period's profile, and the Jaccard index of "
        f"the sets of sublayers above the mean{over}."
    )


def plans_note(config: Config, plans: Sequence[tuple[int, Plan]]) -> str:
    """Describe the table of plans."""
    text = f"Multiplier of each sublayer's learning rate; 0 is frozen. {embedding_note(plans)}"
    phases = dict.fromkeys(plan.method for _, plan in plans if plan.later)
    if phases:
        text += f" The sublayers of {listed(phases)} change during a run; the first phase is shown."
    if config.profile.periods == "each" and len(config.periods) > 1:
        text += " These are the plans of the first period; each later period has its own plans."
    return text


def embedding_note(plans: Sequence[tuple[int, Plan]]) -> str:
    """State in which plans the embeddings, the final norm and the output head were trained."""
    unit = "Embeddings, final norm and output head"
    state = {plan.method: plan.embedding > 0 for _, plan in plans}
    trained = [method for method, is_trained in state.items() if is_trained]
    if not trained:
        return f"{unit} are frozen in every plan."
    if len(trained) == len(state):
        return f"{unit} are trained in every plan."
    return f"{unit} are trained in {listed(trained)} and frozen in the other plans."


def methods_note(config: Config, summary: pd.DataFrame, reference: str) -> str:
    """Describe how methods were scored and compared."""
    text = ""
    if any(parse_method(method)[1] != "plain" for method in config.methods):
        text += "A name with + is a plan followed by the baseline that it is combined with. "
    kinds = set(summary["kind"])
    scored = ["each period's probes"] + (["new text"] if "new_text" in kinds else [])
    text += f"{listed(scored).capitalize()} are scored at the end of that period"
    text += "; old text is scored at the end of every period. " if "old_text" in kinds else ". "
    many = len(config.seeds) > 1
    if many:
        text += "Intervals come from the variance components of seeds and subjects"
        text += "; those of held-out text use only the seeds. " if kinds & {"new_text", "old_text"} else ". "
    else:
        text += "One seed was run, so there are no intervals over seeds and no tests. "
    if len(config.methods) == 1:
        return text + "One method was run, so there is no comparison."
    text += (
        f"Differences to {reference} are paired by seed and probe. They are ratios for perplexities and differences "
        "for other measures. "
    )
    if many:
        text += (
            "“Better” and “worse” are significant after Holm correction for the number of comparisons of the same "
            "measure. The interval shown is the uncorrected 95 % confidence interval."
        )
    return text


def uptake_notes(config: Config, table: pd.DataFrame, reference: str) -> dict[str, str]:
    """Return the notes on equal uptake: captions of both figures, notes on both tables."""
    names = {"updated": "updated facts", "new_entity": "new entities"}
    learned = listed(names[kind] for kind in config.report.uptake)
    many = ", means over seeds" if len(config.seeds) > 1 else ""
    curves = (
        f"Nats per token that {learned} gain and that unchanged facts lose since the base model{many}, test "
        f"probes{together(config)}. Each line is a method at its chosen rate, which has the smallest validation "
        "perplexity at the end; marks are the scored steps. Lower and further right is better. The comparisons below "
        "take the rate that forgets least at the level."
    )
    if table.empty:
        return {"curves": curves, "figure": "", "table": "", "own_rates": ""}
    figure = (
        f"Forgetting minus that of {reference} where both have learned the same: a share of what {reference} learns by "
        "the end. In nats per token of unchanged facts; below 0: less forgotten. Hollow: without a verdict."
    )
    planned = int((table["share"] == config.report.level).sum())
    text = (
        "Forgetting is what unchanged facts lose since the base model, in nats per token. The level is a share of the "
        "reference's uptake; the rates are those of method and reference; seeds are those that reach the level (a "
        "dash: at no rate do all of them). "
        "Each method is compared at the rate that forgets least at this level on validation probes, among the rates at "
        f"which every seed reaches it. {_short_of_level(table)}"
        f"Verdicts are given at {config.report.level:.0%} of the reference's uptake, with Holm correction for the "
        f"{planned} planned comparisons; the other levels are shown "
        "without verdicts. Equivalent: two one-sided tests place the difference within 10 % of the reference's "
        "forgetting."
    )
    own_rates = (
        f"The same comparisons at {config.report.level:.0%} when each seed has the rate that is best on its own "
        "validation probes, without verdicts. A verdict whose sign changes here depends on how rates are chosen."
    )
    return {"curves": curves, "figure": figure, "table": text, "own_rates": own_rates}


def _short_of_level(table: pd.DataFrame) -> str:
    """Explain the asterisk of the table at equal uptake; "" if no row has it."""
    if not table["lower_rates_fall_short"].any():
        return ""
    return (
        "*: for the method or the reference, lower rates do not reach the level in every seed. So the number of steps "
        "sets the best rate, and with more steps a lower one could forget less. "
    )


def without_verdict(table: pd.DataFrame) -> str:
    """State how many planned comparisons at equal uptake have no verdict, and why; "" if all have one."""
    if table.empty:
        return ""
    planned = table[table["verdict"] != ""]
    without = planned[planned["verdict"].str.startswith("no verdict")]
    if without.empty:
        return ""
    reasons = [
        f"{reason.removeprefix('no verdict: ')} ({listed(dict.fromkeys(rows['method']))})"
        for reason, rows in without.groupby("verdict", sort=False)
    ]
    shares = f"{len(without)} of {len(planned)}"
    return f"{shares} planned comparisons at equal uptake have no verdict: {'; '.join(reasons)}."


def chain_note(config: Config, runs: Runs, transfers: pd.DataFrame) -> str:
    """Describe the matrices of checkpoints by periods.

    Args:
        config: Configuration of the experiment.
        runs: The runs of the experiment.
        transfers: Table `transfers` of the findings.
    """
    names = {"updated": "updated facts", "new_entity": "new entities"}
    shown = listed(names[kind] for kind in names if kind in runs.chain_kinds)
    over = ", geometric mean over seeds" if len(config.seeds) > 1 else ""
    rate = (
        "at the chosen rate" if len({rate for _, rate in config.runs}) > 1 else "at the single learning rate"
    )
    text = f"Perplexity of each period's {shown} (test probes{together(config)}) at every checkpoint, {rate}{over}."
    if len(config.periods) > 1:
        replaced, asked = runs.replaced
        text += (
            f" {replaced} of {asked} facts are excluded, because a later period has a fact of the same subject and "
            "relation: losing an outdated answer is not forgetting."
        )
    if len(transfers):
        text += (
            " Backward transfer is the mean log perplexity right after a fact's period minus that after the last "
            "period; a value below zero means forgetting. Forgetting is the last log perplexity minus the best earlier "
            "one, averaged over periods."
        )
    return text


def trained_note(config: Config, rates: pd.DataFrame) -> str:
    """Describe the table of realised learning rates; rates: what `tgl.report.rate_table.rate_table` returns."""
    over = (
        f"means over the {'seeds and ' if len(config.seeds) > 1 else ''}periods in which the unit was trained"
    )
    text = (
        "Largest learning rate of each unit, read from the optimiser, and the largest change of any of its weights in "
        f"a period: {over}."
    )
    if (rates["trained"] < rates["runs"]).any():
        text += " Frozen units were bit-identical after every run."
    return text
