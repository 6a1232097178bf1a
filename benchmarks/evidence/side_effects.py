"""Print what else changed at equal uptake: other facts, old text and new text, from a raw table of scores by step.

    python -m benchmarks.evidence.side_effects docs/evidence/pretrained/confirmation

START-steps.csv and START-equal_uptake.csv are tables of `tgl replicates`. At the level and rates of each comparison
with `full`, every measure is a line between the two scored steps around the level. Intervals are over replicates, with
Student's t and the level held fixed. None of these measures has a verdict.
"""

from __future__ import annotations

import argparse
import math

import numpy as np
import pandas as pd

from tgl.analysis.crossed import Estimate, mean_estimate
from tgl.analysis.uptake import forgetting_at
from tgl.core.layout import BASE
from tgl.core.vocabulary import NEW_ENTITY, TEST, UNCHANGED, UPDATED
from tgl.report.methods import REFERENCE
from tgl.report.replicates import shown

MEASURES = ("far", "kl_from_base", "new_text")


def side_effects(rows: pd.DataFrame, comparisons: pd.DataFrame, share: float) -> pd.DataFrame:
    """Return each measure of every method at its level, minus that of `full`.

    Args:
        rows: The raw scores, as `tgl replicates` writes them to steps.csv.
        comparisons: Its table equal_uptake.csv.
        share: Level of the comparisons, one of their shares.

    Returns:
        A table with the columns method, measure, reference, difference, low and high in nats per token: `far` are facts
        of other relations (nats lost since the base model), `kl_from_base` is the divergence on old text, and
        `new_text` the loss on new text that was held out. A method that misses the level in a replicate is left out.

    Raises:
        ValueError: A run reaches the level before its first scored step, where no text was measured.
    """
    tables = _tables(rows.assign(kind=rows["kind"].fillna("")))
    found = []
    of_full = comparisons[(comparisons["reference"] == REFERENCE) & (comparisons["share"] == share)]
    for row in of_full.itertuples():
        if math.isnan(row.difference):
            continue
        level = tables["uptake"].xs(BASE, level="method").mean() - row.uptake
        for measure in MEASURES:
            own, other = (
                _at_level(tables["uptake"], tables[measure], run, level)
                for run in ((row.method, row.rate), (REFERENCE, row.reference_rate))
            )
            apart: Estimate = mean_estimate((own - other).to_numpy()[:, None], np.ones(1))
            low, high = apart.interval()
            start = tables[measure].xs(BASE, level="method").mean() if measure == "far" else 0.0
            found.append((row.method, measure, other.mean() - start, apart.mean, low, high))
    return pd.DataFrame(found, columns=["method", "measure", "reference", "difference", "low", "high"])


def _tables(rows: pd.DataFrame) -> dict[str, pd.Series]:
    """Return the mean of each measure by method, rate, experiment and step."""
    facts = rows[(rows["measure"] == "loss") & (rows["split"] == TEST)]
    to_learn = facts[facts["kind"].isin([UPDATED, NEW_ENTITY])]
    texts = rows[rows["measure"] == "text_loss"]
    chosen = {
        "uptake": to_learn,
        "far": facts[(facts["kind"] == UNCHANGED) & ~facts["set"].isin(set(to_learn["set"]))],
        "kl_from_base": rows[rows["measure"] == "kl_from_base"],
        "new_text": texts[texts["kind"] != "base"],
    }
    found = {}
    for name, own in chosen.items():
        groups = own.assign(total=own["value"] * own["count"]).groupby(
            ["method", "rate", "experiment", "step"]
        )
        sums = groups[["total", "count"]].sum()
        found[name] = (sums["total"] / sums["count"]).sort_index()
    return found


def _at_level(uptake: pd.Series, measure: pd.Series, run: tuple[str, float], level: float) -> pd.Series:
    """Return a measure of one run where it reaches the level, by experiment."""
    learned = uptake.loc[run].unstack("experiment")
    found = {}
    for name, points in measure.loc[run].unstack("experiment").items():
        found[name] = float(forgetting_at(learned[name].to_numpy(), points.to_numpy(), level))
        if learned[name].iloc[0] <= level or math.isnan(found[name]):
            raise ValueError(f"{run} in {name}: the level does not lie between two scored steps")
    return pd.Series(found)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tables", metavar="START", help="beginning of the names of both tables")
    parser.add_argument("--level", type=float, default=0.7)
    options = parser.parse_args()
    rows, comparisons = (pd.read_csv(f"{options.tables}-{name}.csv") for name in ("steps", "equal_uptake"))
    table = side_effects(rows, comparisons, options.level)
    for row in table.itertuples():
        apart = shown(row.difference, row.low, row.high)
        print(f"{row.method:20}{row.measure:14}full: {row.reference:6.3f}  difference: {apart}")


if __name__ == "__main__":
    main()
