"""From long tables of scores to measures by method and seed, and to intervals over seeds. Pure functions."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

# How a measure is named, and whether lower or higher is better. Perplexities and losses are averaged as logs.
BETTER_LOW = ("perplexity", "macro_perplexity", "loss")


def probe_measures(scores: pd.DataFrame) -> pd.DataFrame:
    """Return measures of each (checkpoint, set, kind, period) of one run's table `scores`.

    - perplexity: exp of the mean over probes of the probe's mean negative log-likelihood a token (micro).
    - macro_perplexity: the same, averaged within each relation first.
    - log_likelihood_per_byte: mean over probes of the log-likelihood in nats a byte, comparable across
      tokenizers.
    - ranked_first: share of the probes with candidates whose answer ranks first.
    - chance: mean of 1 / number of candidates.
    """
    scores = scores.assign(
        nll=-scores["log_likelihood"] / scores["num_tokens"],
        per_byte=scores["log_likelihood"] / scores["num_bytes"],
    )
    rows = []
    for key, group in scores.groupby(["checkpoint", "set", "kind", "period"], sort=True):
        values = {
            "perplexity": math.exp(group["nll"].mean()),
            "macro_perplexity": math.exp(group.groupby("relation")["nll"].mean().mean()),
            "log_likelihood_per_byte": group["per_byte"].mean(),
        }
        ranked = group[group["num_candidates"] > 0]
        if len(ranked):
            values["ranked_first"] = (ranked["rank"] == 1).mean()
            values["chance"] = (1 / ranked["num_candidates"]).mean()
        rows += [
            {
                **dict(zip(("checkpoint", "set", "kind", "period"), key, strict=True)),
                "measure": name,
                "value": float(value),
                "count": len(ranked if name in ("ranked_first", "chance") else group),
            }
            for name, value in values.items()
        ]
    return pd.DataFrame(rows)


def text_measures(losses: pd.DataFrame) -> pd.DataFrame:
    """Return the held-out loss (nats a token) of each checkpoint and text of one run's table `lm_loss`."""
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


def headline(measures: pd.DataFrame, periods: list[str]) -> pd.DataFrame:
    """Return one value a (method, seed, set, kind, measure): the mean over the periods.

    Each period's probes and new text are taken at the checkpoint of that period, the old text at each
    checkpoint. Perplexities are averaged as logs. Columns: method, seed, set, kind, measure, value.
    """
    at_own = (measures["period"] == measures["checkpoint"]) | (measures["kind"] == "old_text")
    chosen = measures[at_own & measures["checkpoint"].isin(periods)].copy()
    logs = chosen["measure"].isin(("perplexity", "macro_perplexity"))
    chosen.loc[logs, "value"] = np.log(chosen.loc[logs, "value"])
    keys = ["method", "seed", "set", "kind", "measure"]
    means = chosen.groupby(keys, sort=True)["value"].mean().reset_index()
    logs = means["measure"].isin(("perplexity", "macro_perplexity"))
    means.loc[logs, "value"] = np.exp(means.loc[logs, "value"])
    return means


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % interval; low and high are NaN where one value gives none."""

    mean: float
    low: float
    high: float
    count: int

    @property
    def excludes_zero(self) -> bool:
        """Tell whether the interval lies on one side of zero."""
        return self.low > 0 or self.high < 0


def seed_interval(values: np.ndarray) -> Interval:
    """Return the mean over seeds with Student's t interval (95 %)."""
    values = np.asarray(values, dtype=float)
    mean, count = float(values.mean()), len(values)
    if count < 2:
        return Interval(mean, math.nan, math.nan, count)
    half = stats.t.ppf(0.975, count - 1) * values.std(ddof=1) / math.sqrt(count)
    return Interval(mean, mean - float(half), mean + float(half), count)


def summarise(values: pd.DataFrame, reference: str) -> pd.DataFrame:
    """Return one row a (set, kind, measure, method): mean, interval, and the difference to `reference`.

    `values` is what `headline` returns. Perplexities are treated as logs throughout: their mean is geometric and
    their difference a ratio. Differences are paired by seed; `verdict` is one of 'better', 'worse',
    'no difference shown' and, for one seed, 'one seed: no interval'.
    """
    rows = []
    for (probe_set, kind, measure), group in values.groupby(["set", "kind", "measure"], sort=True):
        is_ratio = measure in ("perplexity", "macro_perplexity")
        table = group.pivot(index="seed", columns="method", values="value")
        if is_ratio:
            table = np.log(table)
        back = math.exp if is_ratio else float
        for method in table.columns:
            level = seed_interval(table[method].dropna().to_numpy())
            row = {
                "set": probe_set,
                "kind": kind,
                "measure": measure,
                "method": method,
                "seeds": level.count,
                "mean": back(level.mean),
                "low": back(level.low),
                "high": back(level.high),
                "difference_is": "ratio" if is_ratio else "difference",
                "difference": math.nan,
                "difference_low": math.nan,
                "difference_high": math.nan,
                "verdict": "",
            }
            if reference in table.columns and method not in (reference, "base"):
                pairs = (table[method] - table[reference]).dropna().to_numpy()
                apart = seed_interval(pairs)
                row |= {
                    "difference": back(apart.mean),
                    "difference_low": back(apart.low),
                    "difference_high": back(apart.high),
                    "verdict": verdict(apart, measure),
                }
            rows.append(row)
    return pd.DataFrame(rows)


def verdict(difference: Interval, measure: str) -> str:
    """Return the word that an interval of a paired difference allows."""
    if difference.count < 2:
        return "one seed: no interval"
    if measure == "chance" or not difference.excludes_zero:
        return "no difference shown"
    lower = difference.high < 0
    return "better" if lower == (measure in BETTER_LOW) else "worse"
