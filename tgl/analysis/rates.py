"""Choose the learning rate of each method on validation probes only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from tgl.analysis.values import own_period


def criteria(validation: pd.DataFrame) -> pd.DataFrame:
    """Return the validation criterion of each method and learning rate.

    The criterion is the mean log perplexity over the probes of a (set, kind) at the checkpoint of their own period,
    then over the kinds of all sets, then over seeds. Updated facts, new entities and unchanged facts of one set have
    the same weight, so the criterion penalises forgetting. A rate with a NaN in any run has the criterion NaN and is
    not chosen.

    Args:
        validation: Rows of `scores` of validation probes, with the columns method, rate and seed.

    Returns:
        A table with the columns method, rate and criterion.
    """
    return mean_criteria(kind_losses(validation))


def kind_losses(validation: pd.DataFrame) -> pd.DataFrame:
    """Return the mean log perplexity by run, set and kind, at the checkpoints of the probes' own periods."""
    scores = own_period(validation)
    loss = -scores["log_likelihood"] / scores["num_tokens"]
    kinds = scores.assign(loss=loss).groupby(["method", "rate", "seed", "set", "kind"], sort=False)["loss"]
    return kinds.mean(skipna=False).reset_index()


def mean_criteria(losses: pd.DataFrame) -> pd.DataFrame:
    """Return the criterion of each method and rate from what `kind_losses` returns for all runs."""
    rates = losses.groupby(["method", "rate"], sort=False)["loss"]
    return rates.mean(skipna=False).rename("criterion").reset_index()


def chosen_rates(found: pd.DataFrame) -> dict[str, float]:
    """Return the rate with the smallest criterion for each method. A tie gives the smaller rate."""
    ordered = found.sort_values(["criterion", "rate"]).drop_duplicates("method")
    rates = dict(zip(ordered["method"], ordered["rate"], strict=True))
    return {method: rates[method] for method in found["method"].unique()}


def at_the_edge(
    found: pd.DataFrame, chosen: Mapping[str, float], earlier: Mapping[str, Sequence[float]]
) -> list[str]:
    """Return the methods whose chosen rate is the smallest or largest of at least two tried.

    Args:
        found: What `criteria` returns.
        chosen: What `chosen_rates` returns.
        earlier: Rates of an earlier experiment by method, which count as tried.
    """
    tried = {method: {*rates, *earlier.get(method, ())} for method, rates in found.groupby("method")["rate"]}
    return [
        method
        for method, rate in chosen.items()
        if len(tried[method]) > 1 and rate in (min(tried[method]), max(tried[method]))
    ]
