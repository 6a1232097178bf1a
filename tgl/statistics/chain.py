"""A chain of periods: what became of each period's facts at every later checkpoint. Pure functions of tables."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from tgl.statistics.bootstrap import mean_estimate
from tgl.statistics.values import RUN, Gathered, Values, own_period

KINDS = ("updated", "new_entity")
_CELL = ["method", "rate", "checkpoint", "period"]


def lasting(probes: pd.DataFrame) -> set[str]:
    """Return the ids of probes whose fact no later probe of the same subject and relation replaces.

    A fact that changes again is not forgotten when its old answer goes: it is left out of every measure of
    forgetting. probes: columns of the table `probes`.
    """
    last = (
        probes[probes["kind"].isin(KINDS)]
        .groupby(["set", "subject", "relation"], dropna=False)["period"]
        .max()
    )
    keys = pd.MultiIndex.from_frame(probes[["set", "subject", "relation"]])
    newest = pd.Series(last.reindex(keys).to_numpy(), index=probes.index)
    return set(probes["id"][newest.isna() | (newest <= probes["period"])])


def matrix(scores: pd.DataFrame, checkpoints: Sequence[str], periods: Sequence[str]) -> pd.DataFrame:
    """Return the log perplexity of each period's facts at each checkpoint: method, rate, checkpoint, period, value.

    scores: rows of `scores` of lasting updated facts and new entities, test split, columns method, rate, seed; the
    value is a mean over probes, then seeds.
    """
    return mean_cells(cells(scores), checkpoints, periods)


def cells(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the mean log perplexity of each run's updated facts and new entities by checkpoint and period."""
    chosen = scores[scores["kind"].isin(KINDS)]
    if chosen.empty:
        return pd.DataFrame(columns=[*_CELL, "seed", "value"])
    loss = -chosen["log_likelihood"] / chosen["num_tokens"]
    return chosen.assign(value=loss).groupby([*_CELL, "seed"], sort=False)["value"].mean().reset_index()


def mean_cells(found: pd.DataFrame, checkpoints: Sequence[str], periods: Sequence[str]) -> pd.DataFrame:
    """Return the mean over seeds of what `cells` returns of all runs, for some checkpoints and periods."""
    chosen = found[found["period"].isin(periods) & found["checkpoint"].isin(checkpoints)]
    return chosen.groupby(_CELL, sort=False)["value"].mean().reset_index()


def transfers(scores: pd.DataFrame, periods: Sequence[str], resamples: int) -> pd.DataFrame:
    """Return backward transfer of each run, with intervals: method, rate, seeds, mean, low, high, and forgetting.

    scores: as for `matrix`; what is computed: `transfers_of`. Empty where no period but the last has such facts.
    """
    now, then = Gathered("perplexity"), Gathered("perplexity")
    for run, rows in scores.groupby(RUN, sort=False):
        add_transfer(now, then, run, rows, periods)
    if now.empty:
        return pd.DataFrame()
    return transfers_of(now.values(), then.values(), cells(scores), periods, resamples)


def add_transfer(
    now: Gathered, then: Gathered, run: tuple, scores: pd.DataFrame, periods: Sequence[str]
) -> None:
    """Add to `now` and `then` a run's facts of all periods but the last, after their own period and the last one."""
    chosen = scores[scores["kind"].isin(KINDS) & scores["period"].isin(periods[:-1])]
    if len(chosen):
        now.add(run, own_period(chosen))
        then.add(run, chosen[chosen["checkpoint"] == periods[-1]])


def transfers_of(
    now: Values, then: Values, found: pd.DataFrame, periods: Sequence[str], resamples: int
) -> pd.DataFrame:
    """Return backward transfer and forgetting of each run.

    now, then: log perplexities of the facts of all periods but the last right after their period, and after the last
    one. found: `cells` of these runs. Backward transfer (Lopez-Paz and Ranzato 2017) is the mean over facts of the
    first minus the second: below zero they were forgotten. `forgetting` (Chaudhry et al. 2018) takes, by period, the
    last log perplexity minus the best before it, from the period's own on, and averages: below zero they were learnt
    better still.
    """
    last = periods[-1]
    since = mean_cells(found[found["checkpoint"] >= found["period"]], periods, periods[:-1])
    rows = []
    for method, rate in now.runs:
        apart = now.of(method, rate) - then.of(method, rate)
        estimate = mean_estimate(apart, now.weights, resamples, 0)
        low, high = estimate.interval()
        own = since[(since["method"] == method) & (since["rate"] == rate)]
        table = own.pivot(index="checkpoint", columns="period", values="value")
        forgetting = float((table.loc[last] - table.drop(index=last).min()).mean())
        rows.append(
            {"method": method, "rate": rate, "seeds": estimate.num_seeds, "backward_transfer": estimate.mean}
            | {"low": low, "high": high, "forgetting": forgetting}
        )
    return pd.DataFrame(rows)
