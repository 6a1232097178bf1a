"""What cannot be concluded from a run, worked out from its configuration and its intervals."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from tgl.config import Config
from tgl.plans.names import rate_text
from tgl.plans.plan import Plan
from tgl.report.methods import Findings


def limits(
    config: Config,
    gates: list[dict],
    plans: list[tuple[int, Plan]],
    told: Findings,
    profile: pd.DataFrame,
) -> Iterator[str]:
    """Yield sentences for the section of that name."""
    missed = [gate["name"] for gate in gates if not gate["met"]]
    if missed:
        yield f"The gate was missed ({'; '.join(missed)}): no number of this report says anything about methods."
    if not gates:
        yield (
            "No probe has known candidates, so nothing shows that the base model knows the facts it is asked for. "
            "A model this small does not know them: the perplexities below say how well text of this kind is "
            "predicted, not what is known."
        )
    if len(config.seeds) < 3:
        yield f"{len(config.seeds)} seed(s): below three, no difference between methods can be told from noise."
    else:
        yield (
            f"{len(config.seeds)} seeds of one world: the intervals cover initialisation, data order and the choice of "
            "subjects asked, not the choice of world or of text."
        )
    if len(config.train.learning_rates) == 1:
        yield (
            f"One learning rate ({rate_text(config.train.learning_rates[0])}) for all methods, not chosen on "
            "validation: a method that wants another rate is at a disadvantage, and tgl_alr moves as far as its "
            "multipliers say."
        )
    if told.edges:
        yield (
            f"The rate chosen on validation is the smallest or largest tried for {', '.join(told.edges)}: a wider grid "
            "might do these methods more justice."
        )
    summary = told.summary
    if "new_text" not in set(summary["kind"]):
        yield "No new page fell into the held-out share: there is no held-out loss of new text."
    compared = summary[summary["verdict"] == "no difference shown"]
    num_told = int(summary["verdict"].isin(["better", "worse"]).sum())
    if len(compared) + num_told:
        yield (
            f"{num_told} of {len(compared) + num_told} comparisons exclude no difference after Holm's correction "
            "for the number of comparisons of the same measure; the measures of one kind of probe are views of the "
            "same scores."
        )
    for seed, plan in plans:
        if plan.note.startswith("no random subset"):
            yield f"Seed {seed}, plan {plan.method}: {plan.note}."
    yield from _averaging(profile)
    embedding = "kept frozen" if config.plan.embedding == "frozen" else "trained"
    yield (
        f"Embeddings, final norm and output head were {embedding} where a plan's name does not say otherwise; results "
        "may differ with them."
    )
    if config.model.load is None:
        yield (
            f"The model has {config.model.layers} blocks of width {config.model.hidden_size}, trained from scratch: "
            "nothing here speaks of large pretrained models."
        )


def _averaging(profile: pd.DataFrame) -> Iterator[str]:
    """Say how much of the relative norm over windows random spans and random weights reach as well."""

    def mean(weights: str, group: str) -> float | None:
        chosen = profile[
            (profile["weights"] == weights)
            & (profile["group"] == group)
            & (profile["denominator"] == "window")
            & (profile["sublayer"] == "all")
        ]["relative_norm"]
        return float(chosen.mean()) if len(chosen) else None

    salient, spans = mean("trained", "updated"), mean("trained", "matched_span.updated")
    shuffled, random = mean("trained", "shuffled.updated"), mean("random", "updated")
    if salient is None or spans is None:
        return
    text = (
        f"Over windows of plain text, updated facts have {salient:.1f} times the gradient norm; random spans of "
        f"the same length have {spans:.1f} times"
    )
    if shuffled is not None:
        text += f", the same questions with shuffled answers {shuffled:.1f} times"
    if random is not None:
        text += f", and updated facts under random weights {random:.1f} times"
    yield text + (
        ". As much of the ratio as these controls reach comes from averaging over few tokens, from the kind of "
        "text, or from any wrong answer being a surprise; it does not show where a fact is stored."
    )
