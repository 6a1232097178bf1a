"""A chain of periods: what became of each period's facts at every later checkpoint. Pure functions of tables."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from tgl.statistics.bootstrap import mean_estimate
from tgl.statistics.values import probe_values

KINDS = ("updated", "new_entity")


def lasting(probes: pd.DataFrame) -> set[str]:
    """Return the ids of probes whose fact no later probe of the same subject and relation replaces.

    A fact that changes again is not forgotten when its old answer goes: it is left out of every measure of
    forgetting. probes: columns of the table `probes`.
    """
    last = probes[probes["kind"].isin(KINDS)].groupby(["set", "subject", "relation"])["period"].max()
    keys = pd.MultiIndex.from_frame(probes[["set", "subject", "relation"]])
    newest = pd.Series(last.reindex(keys).to_numpy(), index=probes.index)
    return set(probes["id"][newest.isna() | (newest <= probes["period"])])


def matrix(scores: pd.DataFrame, checkpoints: Sequence[str], periods: Sequence[str]) -> pd.DataFrame:
    """Return the log perplexity of each period's facts at each checkpoint: method, rate, checkpoint, period, value.

    scores: rows of `scores` of lasting updated facts and new entities, test split, columns method, rate, seed; the
    value is a mean over probes, then seeds.
    """
    chosen = scores[scores["kind"].isin(KINDS) & scores["period"].isin(periods)]
    loss = -chosen["log_likelihood"] / chosen["num_tokens"]
    keys = ["method", "rate", "checkpoint", "period"]
    each = chosen.assign(value=loss).groupby([*keys, "seed"], sort=False)["value"].mean()
    table = each.groupby(keys, sort=False).mean().reset_index()
    return table[table["checkpoint"].isin(checkpoints)].reset_index(drop=True)


def transfers(scores: pd.DataFrame, periods: Sequence[str], resamples: int) -> pd.DataFrame:
    """Return backward transfer of each run, with intervals: method, rate, seeds, mean, low, high, and forgetting.

    Backward transfer (Lopez-Paz and Ranzato 2017) is the mean over the facts of all periods but the last of the log
    perplexity right after their period minus that after the last one: below zero they were forgotten.
    `forgetting` (Chaudhry et al. 2018) takes, by period, the last log perplexity minus the best before it, from the
    period's own on, and averages: below zero they were learnt better still.
    """
    last = periods[-1]
    chosen = scores[scores["kind"].isin(KINDS) & scores["period"].isin(periods[:-1])]
    if chosen.empty:
        return pd.DataFrame()
    now = probe_values(chosen[chosen["checkpoint"] == chosen["period"]], "perplexity")
    then = probe_values(chosen[chosen["checkpoint"] == last], "perplexity")
    since = matrix(chosen[chosen["checkpoint"] >= chosen["period"]], periods, periods)
    rows = []
    for method, rate in now.runs:
        apart = now.of(method, rate) - then.of(method, rate)
        found = mean_estimate(apart, now.weights, resamples, 0)
        low, high = found.interval()
        own = since[(since["method"] == method) & (since["rate"] == rate)]
        table = own.pivot(index="checkpoint", columns="period", values="value")
        forgetting = float((table.loc[last] - table.drop(index=last).min()).mean())
        rows.append(
            {"method": method, "rate": rate, "seeds": found.num_seeds, "backward_transfer": found.mean}
            | {"low": low, "high": high, "forgetting": forgetting}
        )
    return pd.DataFrame(rows)
