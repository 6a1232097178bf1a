"""The learning rate of each method, chosen on validation probes alone."""

from __future__ import annotations

import pandas as pd

from tgl.statistics.values import own_period


def criteria(validation: pd.DataFrame) -> pd.DataFrame:
    """Return method, rate and the criterion of choice: mean log perplexity over kinds, each counting the same.

    validation: rows of `scores` of validation probes with columns method, rate, seed. Means are taken over the
    probes of a (set, kind) at the checkpoint of their own period, then over kinds, then over seeds: updated facts,
    new entities and unchanged facts weigh the same, so that a rate pays for what it forgets. NaN for a rate that has
    one anywhere: it is not chosen for the runs that are left.
    """
    return mean_criteria(kind_losses(validation))


def kind_losses(validation: pd.DataFrame) -> pd.DataFrame:
    """Return the mean log perplexity of each run and (set, kind) at the checkpoints of the probes' own periods."""
    scores = own_period(validation)
    loss = -scores["log_likelihood"] / scores["num_tokens"]
    kinds = scores.assign(loss=loss).groupby(["method", "rate", "seed", "set", "kind"], sort=False)["loss"]
    return kinds.mean(skipna=False).reset_index()


def mean_criteria(losses: pd.DataFrame) -> pd.DataFrame:
    """Return the criterion of each method and rate from what `kind_losses` returns of all runs."""
    rates = losses.groupby(["method", "rate"], sort=False)["loss"]
    return rates.mean(skipna=False).rename("criterion").reset_index()


def chosen_rates(found: pd.DataFrame) -> dict[str, float]:
    """Return by method the rate of the smallest criterion; of equals the smaller rate."""
    ordered = found.sort_values(["criterion", "rate"]).drop_duplicates("method")
    rates = dict(zip(ordered["method"], ordered["rate"], strict=True))
    return {method: rates[method] for method in found["method"].unique()}


def at_the_edge(found: pd.DataFrame, chosen: dict[str, float]) -> list[str]:
    """Return the methods whose chosen rate is the smallest or largest of at least two tried."""
    tried = found.groupby("method")["rate"].agg(["min", "max"])
    return [
        method
        for method, rate in chosen.items()
        if tried.loc[method, "min"] < tried.loc[method, "max"] and rate in set(tried.loc[method])
    ]
