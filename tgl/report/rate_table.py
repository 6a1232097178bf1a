"""The table of learning rates that each unit really had. Pure functions of tables."""

from __future__ import annotations

import pandas as pd


def rate_table(rates: pd.DataFrame) -> pd.DataFrame:
    """Return the mean rate and change of each method's units, over the seeds and periods in which each was trained.

    rates: each unit's largest rate and change by method, seed and period. Columns of the result: method, sublayer,
    learning_rate, max_change (0 for a unit that was never trained), trained and runs (seeds times periods in which it
    was trained, and in all), seeds_trained, seeds.
    """
    keys = ["method", "sublayer"]
    numbers = ["learning_rate", "max_change"]
    rates = rates.assign(trained=(rates[numbers] > 0).any(axis=1))
    trained = rates[rates["trained"]].groupby(keys, sort=False)
    found = rates.groupby(keys, sort=False).agg(runs=("trained", "size"), seeds=("seed", "nunique"))
    found = found.join(trained[numbers].mean()).join(
        trained.agg(trained=("trained", "size"), seeds_trained=("seed", "nunique"))
    )
    return found.fillna(0).astype({"trained": int, "seeds_trained": int}).reset_index()


def trained_in(row: dict) -> str:
    """Return in how many seeds, and in how many of all periods where these differ, a unit was trained."""
    if not row["trained"]:
        return "none"
    text = f"{row['seeds_trained']} of {row['seeds']} seed{'s' if row['seeds'] > 1 else ''}"
    whole = row["seeds_trained"] * row["runs"] / row["seeds"]
    return text if row["trained"] == whole else f"{text}, {row['trained']} of {row['runs']} periods"
