"""Compute measures by run and checkpoint from long tables of scores. Pure functions."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tgl.analysis.values import exp


def probe_measures(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the measures of one run's table `scores` by checkpoint, set, kind and period.

    - perplexity: exp of the mean over probes of a probe's mean negative log-likelihood per token. Each probe has the
      same weight, whatever the length of its answer (ECBD calls this micro).
    - token_perplexity: exp of the negative log-likelihood of all probes divided by the number of their tokens. Each
      token has the same weight.
    - macro_perplexity: like perplexity, but averaged within each relation first.
    - log_likelihood_per_byte: mean over probes of the log-likelihood in nats per byte, comparable across tokenizers.
    - ranked_first: share of the probes with candidates whose answer ranks first.
    - exact_match: share of the probes whose answer greedy decoding gives.
    - new_minus_old: mean over probes with an old answer of its log-likelihood subtracted from that of the answer, in
      nats. The model prefers the new answer where it is positive.
    - chance: mean of 1 / number of candidates.

    Returns:
        A table with the columns checkpoint, set, kind, period, measure, value and count (number of probes).
    """
    scores = scores.assign(
        nll=-scores["log_likelihood"] / scores["num_tokens"],
        per_byte=scores["log_likelihood"] / scores["num_bytes"],
    )
    rows = []
    for key, group in scores.groupby(["checkpoint", "set", "kind", "period"], sort=True):
        values = {
            "perplexity": exp(group["nll"].mean()),
            "token_perplexity": exp(-group["log_likelihood"].sum() / group["num_tokens"].sum()),
            "macro_perplexity": exp(group.groupby("relation", dropna=False)["nll"].mean().mean()),
            "log_likelihood_per_byte": group["per_byte"].mean(),
        }
        ranked = group[group["num_candidates"] > 0]
        if len(ranked):
            values["ranked_first"] = (ranked["rank"] == 1).mean()
            values["chance"] = (1 / ranked["num_candidates"]).mean()
        values["exact_match"] = group["exact_match"].mean()
        replaced = group[group["old_log_likelihood"].notna()]
        if len(replaced):
            values["new_minus_old"] = (replaced["log_likelihood"] - replaced["old_log_likelihood"]).mean()
        counts = {"ranked_first": len(ranked), "chance": len(ranked), "new_minus_old": len(replaced)}
        rows += [
            {
                **dict(zip(("checkpoint", "set", "kind", "period"), key, strict=True)),
                "measure": name,
                "value": float(value),
                "count": counts.get(name, len(group)),
            }
            for name, value in values.items()
        ]
    return pd.DataFrame(rows)


def text_measures(losses: pd.DataFrame) -> pd.DataFrame:
    """Return the held-out loss (nats per token) of one run's table `lm_loss` by checkpoint and text."""
    losses = losses[losses["num_tokens"] > 0]
    return pd.DataFrame(
        {
            "checkpoint": losses["checkpoint"],
            "set": "text",
            "kind": np.where(losses["text"] == "base", "old_text", "new_text"),
            "period": losses["text"],
            "measure": "loss",
            "value": losses["negative_log_likelihood"] / losses["num_tokens"],
            "count": losses["num_tokens"],
        }
    )
