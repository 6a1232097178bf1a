"""Make the table of the realised learning rates of each unit. Pure functions of tables."""

from __future__ import annotations

import pandas as pd


def rate_table(rates: pd.DataFrame) -> pd.DataFrame:
    """Average the learning rate and the change of each unit over the seeds and periods in which it was trained.

    Args:
        rates: Each unit's largest learning rate and largest change by method, seed and period.

    Returns:
        A table with the columns method, sublayer, learning_rate, max_change (both 0 for a unit that was never
        trained), trained (number of pairs of seed and period in which it was trained), runs (number of all pairs),
        seeds_trained and seeds.
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
    """Describe in how many seeds a unit was trained, and in how many periods if not in all periods of these seeds."""
    if not row["trained"]:
        return "none"
    text = f"{row['seeds_trained']} of {row['seeds']} seed{'s' if row['seeds'] > 1 else ''}"
    whole = row["seeds_trained"] * row["runs"] / row["seeds"]
    return text if row["trained"] == whole else f"{text}, {row['trained']} of {row['runs']} periods"
