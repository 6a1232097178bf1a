"""The sentences of the report that depend on the run: captions and notes, each true of this configuration and data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from tgl.config import Config
from tgl.plans.names import parse_method, parse_plan
from tgl.plans.plan import Plan
from tgl.report.profile_figures import LABELS
from tgl.report.uptake_advice import advice


def listed(names: Iterable[str]) -> str:
    """Return names as 'a', 'a and b' or 'a, b and c'."""
    *first, last = list(names) or [""]
    return f"{', '.join(first)} and {last}" if first else last


def base_model(config: Config) -> str:
    """Return what the base model is: trained here from scratch, loaded, or loaded and adapted."""
    if config.model.load is None:
        return "the base model after pretraining from scratch"
    return "the loaded model after adaptation" if config.model.pretrain.steps else "the loaded model"


def together(config: Config) -> str:
    """Return what is added where the probes of several sets are taken as one."""
    return " of all sets together" if len(config.probes.sets) > 1 else ""


def lead(config: Config) -> str:
    """Return what was run, in a sentence."""
    counts = (
        (len(config.methods), "method"),
        (len(config.train.learning_rates), "learning rate"),
        (len(config.seeds), "seed"),
        (len(config.periods), "period"),
    )
    shown = [f"{number} {name}{'s' if number > 1 else ''}" for number, name in counts]
    return (
        "Gradient profile of the base model, a plan of which sublayers to update for each method, and continual "
        f"pretraining by each: {listed(shown)}."
    )


def profile_notes(config: Config, profile: pd.DataFrame, denominator: str) -> dict[str, str]:
    """Return the captions of the figures of the profile: by block, and by denominator."""
    many, twin = len(config.seeds) > 1, "random" in set(profile["weights"])
    groups = set(profile["group"])
    controls = " and their controls" if any("." in group for group in groups) else ""
    block = f"Gradient norm of each sublayer for salient spans{controls} over that of {LABELS[denominator]}. "
    block += (
        "Lines: mean over seeds; bands: the widest 95 % bootstrap limits over examples of any seed."
        if many
        else "Bands: 95 % bootstrap limits over examples."
    )
    means = "Mean over sublayers by denominator"
    if twin:
        block += f" Left: {base_model(config)}. Right: the same architecture with random weights."
        means += "; filled: trained weights, hollow: random weights"
    reached = ["random spans"] if any(group.startswith("matched_span.") for group in groups) else []
    reached += ["random weights"] if twin else []
    if reached:
        means += f". A ratio that {' or '.join(reached)} reach as well is no evidence of stored knowledge"
    partly = _in_part_of_the_seeds(profile, len(config.seeds))
    if partly:
        means += f". Not measured in every seed, and averaged over the seeds that have them: {listed(partly)}"
    return {"profile": block, "denominators": f"{means}."}


def _in_part_of_the_seeds(profile: pd.DataFrame, num_seeds: int) -> list[str]:
    seeds = profile.groupby(["weights", "group"], sort=False)["seed"].nunique()
    return list(
        dict.fromkeys(group.replace("_", " ") for (_, group), number in seeds.items() if number < num_seeds)
    )


def examples_of(about: dict) -> str:
    """Return which kinds of probe the profile took from another period than its own; '' where none."""
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
        text += " Step 0 has random weights: what is there at step 0 was not learned."
    return text


def drift_note(config: Config, drift: Sequence[dict]) -> str:
    """Return how the drift of the profile was measured, or why it was not."""
    later = config.periods[1:]
    if not later:
        return "There is one period, so the profile cannot drift between periods."
    text = (
        "Every run profiled itself before each period and made its plan again. "
        if config.profile.periods == "each"
        else "The first profile served all periods. "
    )
    if not drift:
        return (
            text
            + "The profile was not measured before any later period; the logs of the training runs say why."
        )
    if config.profile.periods == "first":
        text += "Along plain training of every sublayer it was measured again before later periods. "
    missing = [period for period in later if period not in {row["period"] for row in drift}]
    if missing:
        text += f"It was not measured before {listed(missing)}; the logs of the training runs say why. "
    over = "; means over seeds" if len(config.seeds) > 1 else ""
    return text + (
        "Rank correlation over sublayers with the first period's profile, and Jaccard index of the sublayers above the "
        f"mean{over}."
    )


def plans_note(config: Config, plans: Sequence[tuple[int, Plan]]) -> str:
    """Return what the table of plans shows."""
    text = f"Multiplier of each sublayer's learning rate; 0 is frozen. {embedding_note(plans)}"
    phases = dict.fromkeys(plan.method for _, plan in plans if plan.later)
    if phases:
        text += f" Of {listed(phases)}, whose sublayers change during a run, the first phase is shown."
    if config.profile.periods == "each" and len(config.periods) > 1:
        text += " These are the plans of the first period; each later period has plans of its own."
    return text


def embedding_note(plans: Sequence[tuple[int, Plan]]) -> str:
    """Return in which plans embeddings, final norm and output head were trained."""
    unit = "Embeddings, final norm and output head"
    state = {plan.method: plan.embedding > 0 for _, plan in plans}
    trained = [method for method, is_trained in state.items() if is_trained]
    if not trained:
        return f"{unit} are frozen in every plan."
    if len(trained) == len(state):
        return f"{unit} are trained in every plan."
    return f"{unit} are trained in {listed(trained)} and frozen in the other plans."


def methods_note(config: Config, summary: pd.DataFrame, reference: str) -> str:
    """Return how methods were scored and compared."""
    text = ""
    if any(parse_method(method)[1] != "plain" for method in config.methods):
        text += "A method is a plan, and after + the baseline that it is combined with. "
    kinds = set(summary["kind"])
    scored = ["each period's probes"] + (["new text"] if "new_text" in kinds else [])
    text += f"{listed(scored).capitalize()} are scored at the end of that period"
    text += ", old text at the end of every period. " if "old_text" in kinds else ". "
    many = len(config.seeds) > 1
    if many:
        text += "Intervals come from a bootstrap over seeds and subjects at once"
        text += (
            "; those of held-out text from the seeds alone. " if kinds & {"new_text", "old_text"} else ". "
        )
    else:
        text += "One seed was run, so there are no intervals over seeds and no tests. "
    if len(config.methods) == 1:
        return text + "One method was run, so there is no comparison."
    text += f"Differences to {reference} are paired by seed and probe: a ratio for perplexities, else a difference. "
    if many:
        text += (
            "“Better” and “worse”: significant after Holm correction for the number of comparisons of the same "
            "measure. The interval shown is the uncorrected one of 95 %."
        )
    return text


def uptake_notes(config: Config, table: pd.DataFrame, reference: str) -> dict[str, str]:
    """Return the notes on equal uptake: of both figures, of the table, and what to run where there is no verdict."""
    many = ", geometric means over seeds" if len(config.seeds) > 1 else ""
    curves = (
        f"Perplexity of updated facts against that of unchanged facts along each method's learning rates{many}, test "
        f"probes{together(config)}. The hollow square is the base model; the dotted line from there to the lowest rate "
        "is not measured. Lower and further right is better."
    )
    if table.empty:
        return {"curves": curves, "figure": "", "table": "", "advice": ""}
    figure = (
        f"Perplexity of unchanged facts over that of {reference} where both have taken up updated facts equally well; "
        "a method's curve between two rates is a straight line. Below 1: less forgotten."
    )
    if (table["missing"] != "").any():
        figure += " Hollow: no verdict, as no measured rate lies on one side of the level."
    others = [name for name in dict.fromkeys(table["reference"]) if name != reference]
    on_top = [name for name in others if parse_plan(parse_method(name)[0]) == parse_plan(reference)]
    traced = [name for name in others if name not in on_top]
    text = f"Against {reference}"
    if traced:
        text += f"; against {listed(traced)}: controls of the same budget, and other traced plans"
    if on_top:
        text += f"; against {listed(on_top)}: the other plans on the same baseline"
    corrected = "; p values are corrected within each reference" if len(config.seeds) > 1 else ""
    return {"curves": curves, "figure": figure, "table": f"{text}{corrected}.",
            "advice": advice(table, config.train.learning_rates)}  # fmt: skip


def chain_note(config: Config, kinds: Iterable[str], transfers: pd.DataFrame) -> str:
    """Return what the matrices of checkpoints by periods show; kinds: of the probes in them."""
    names = {"updated": "updated facts", "new_entity": "new entities"}
    shown = listed(names[kind] for kind in names if kind in set(kinds))
    over = ", geometric mean over seeds" if len(config.seeds) > 1 else ""
    rate = "at the chosen rate" if len(config.train.learning_rates) > 1 else "at the one learning rate"
    text = f"Perplexity of each period's {shown} (test probes{together(config)}) at every checkpoint, {rate}{over}."
    if len(config.periods) > 1:
        text += " Facts that change again later are left out: to lose their old answer is not forgetting."
    if len(transfers):
        text += (
            " Backward transfer: mean log perplexity right after a fact's period minus that after the last one; below "
            "zero is forgetting. Forgetting: the last minus the best before it, mean over periods."
        )
    return text


def trained_note(config: Config, rates: pd.DataFrame) -> str:
    """Return what the table of realised rates shows; rates: of `methods_tables.rate_table`."""
    over = (
        f"means over the {'seeds and ' if len(config.seeds) > 1 else ''}periods in which the unit was trained"
    )
    text = (
        "Largest learning rate that each unit had, read from the optimiser, and the largest change of any of its "
        f"weights in a period: {over}."
    )
    if (rates["trained"] < rates["runs"]).any():
        text += " Frozen units were bit-identical after every run."
    return text
