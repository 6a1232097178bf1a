"""Measure each period's facts at every later checkpoint of a chain of periods. Pure functions of tables."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from tgl.analysis.crossed import mean_estimate
from tgl.analysis.values import RUN, Gathered, Values, own_period
from tgl.core.vocabulary import SALIENT_KINDS

_CELL = ["method", "rate", "checkpoint", "period"]


def lasting(probes: pd.DataFrame) -> set[str]:
    """Return the ids of probes whose fact is not replaced by a later probe of the same subject and relation.

    The measures of the chain exclude facts that change again, because losing an outdated answer is not forgetting. A
    probe without a subject or a relation does not say which fact it is about, so nothing replaces it.

    Args:
        probes: Table `probes`.
    """
    named = (probes["subject"] != "") & (probes["relation"] != "")
    salient = probes[named & probes["kind"].isin(SALIENT_KINDS)]
    last = salient.groupby(["set", "subject", "relation"])["period"].max()
    keys = pd.MultiIndex.from_frame(probes[["set", "subject", "relation"]])
    newest = pd.Series(last.reindex(keys).to_numpy(), index=probes.index)
    return set(probes["id"][newest.isna() | (newest <= probes["period"])])


def matrix(scores: pd.DataFrame, checkpoints: Sequence[str], periods: Sequence[str]) -> pd.DataFrame:
    """Return the log perplexity of each period's facts at each checkpoint.

    Args:
        scores: Rows of `scores` of the lasting test probes of updated facts and new entities, with the columns method,
            rate and seed.
        checkpoints: Checkpoints to include.
        periods: Periods to include.

    Returns:
        A table with the columns method, rate, checkpoint, period and value, averaged over probes and then over seeds.
    """
    return mean_cells(cells(scores), checkpoints, periods)


def cells(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the mean log perplexity of updated facts and new entities by run, checkpoint and period."""
    chosen = scores[scores["kind"].isin(SALIENT_KINDS)]
    if chosen.empty:
        return pd.DataFrame(columns=[*_CELL, "seed", "value"])
    loss = -chosen["log_likelihood"] / chosen["num_tokens"]
    return chosen.assign(value=loss).groupby([*_CELL, "seed"], sort=False)["value"].mean().reset_index()


def mean_cells(found: pd.DataFrame, checkpoints: Sequence[str], periods: Sequence[str]) -> pd.DataFrame:
    """Average over seeds what `cells` returns for all runs, for the given checkpoints and periods."""
    chosen = found[found["period"].isin(periods) & found["checkpoint"].isin(checkpoints)]
    return chosen.groupby(_CELL, sort=False)["value"].mean().reset_index()


def transfers(scores: pd.DataFrame, periods: Sequence[str]) -> pd.DataFrame:
    """Return backward transfer and forgetting of each method and rate, as defined in `transfers_of`.

    Args:
        scores: Scores as for `matrix`.
        periods: Names of the periods, in order.

    Returns:
        The table of `transfers_of`. It is empty if no period before the last has such facts.
    """
    now, then = Gathered("perplexity"), Gathered("perplexity")
    for run, rows in scores.groupby(RUN, sort=False):
        add_transfer(now, then, run, scores=rows, periods=periods)
    if now.empty:
        return pd.DataFrame()
    return transfers_of(now.values(), then.values(), cells(scores), periods=periods)


def add_transfer(
    now: Gathered, then: Gathered, run: tuple, *, scores: pd.DataFrame, periods: Sequence[str]
) -> None:
    """Add a run's facts of all periods except the last.

    Args:
        now: Receives the scores right after the facts' own period.
        then: Receives the scores after the last period.
        run: Method, learning rate and seed.
        scores: Scores as for `matrix`, of this run.
        periods: Names of the periods, in order.
    """
    chosen = scores[scores["kind"].isin(SALIENT_KINDS) & scores["period"].isin(periods[:-1])]
    if len(chosen):
        now.add(run, own_period(chosen))
        then.add(run, chosen[chosen["checkpoint"] == periods[-1]])


def transfers_of(now: Values, then: Values, found: pd.DataFrame, *, periods: Sequence[str]) -> pd.DataFrame:
    """Return backward transfer and forgetting of each method and rate.

    Backward transfer (Lopez-Paz and Ranzato 2017) is the mean over facts of `now` minus `then`; a value below zero
    means forgetting. Forgetting (Chaudhry et al. 2018) is the last log perplexity of a period's facts minus the best
    earlier one since that period, averaged over periods; a value below zero means that the facts were learned even
    better later.

    Args:
        now: Log perplexities right after their own period, for the facts of all periods except the last.
        then: Log perplexities of the same facts after the last period.
        found: What `cells` returns for these runs.
        periods: Names of the periods, in order.

    Returns:
        A table with the columns method, rate, seeds, backward_transfer, low, high and forgetting.
    """
    last = periods[-1]
    since = mean_cells(found[found["checkpoint"] >= found["period"]], periods, periods[:-1])
    rows = []
    for method, rate in now.runs:
        apart = now.of(method, rate) - then.of(method, rate)
        estimate = mean_estimate(apart, now.weights)
        low, high = estimate.interval()
        own = since[(since["method"] == method) & (since["rate"] == rate)]
        table = own.pivot(index="checkpoint", columns="period", values="value")
        forgetting = float((table.loc[last] - table.drop(index=last).min()).mean())
        rows.append(
            {"method": method, "rate": rate, "seeds": estimate.num_seeds, "backward_transfer": estimate.mean}
            | {"low": low, "high": high, "forgetting": forgetting}
        )
    return pd.DataFrame(rows)
