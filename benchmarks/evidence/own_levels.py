"""Compare the forgetting of methods with that of `full`, with a level of uptake for each replicate.

    python -m benchmarks.evidence.own_levels docs/evidence/pretrained/confirmation

START-curves.csv and START-equal_uptake.csv are tables of `tgl replicates`. There, one level holds for all replicates: a
share of what `full` learns, as a mean. Here each replicate has its own level, the same share of what `full` learns in
it. Rates are those of the comparisons. Intervals are over replicates, with Student's t, and not corrected.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.evidence.replicate_tables import tables_and_level
from tgl.analysis.crossed import mean_estimate
from tgl.analysis.curve_points import curves_from
from tgl.analysis.uptake import forgetting_at, level_of, most_learned
from tgl.report.methods import REFERENCE
from tgl.report.replicates import shown


def own_levels(points: pd.DataFrame, comparisons: pd.DataFrame, share: float) -> pd.DataFrame:
    """Return the comparisons with `full` at a share of what `full` learns in each replicate.

    Args:
        points: The table curves.csv.
        comparisons: The table equal_uptake.csv, whose rates are used.
        share: Level of the comparisons, one of their shares.

    Returns:
        A table with the columns method, replicates, difference, low and high, in nats per token. `replicates`: in how
        many the method reaches the level. The difference is a mean over these.
    """
    curves = curves_from(points)
    whole = curves.test[REFERENCE][most_learned(curves.validation[REFERENCE])]
    levels = level_of(whole.means()[0].T[..., None], share)
    of_full = comparisons[(comparisons["reference"] == REFERENCE) & (comparisons["share"] == share)]
    found = []
    for row in of_full[of_full["rate"].notna()].itertuples():
        own, other = (
            curves.test[method][rate].means()
            for method, rate in ((row.method, row.rate), (REFERENCE, row.reference_rate))
        )
        lost, of_reference = (forgetting_at(uptake.T, values.T, levels) for uptake, values in (own, other))
        apart = mean_estimate((lost - of_reference)[:, None], np.ones(1))
        found.append((row.method, apart.num_seeds, apart.mean, *apart.interval()))
    return pd.DataFrame(found, columns=["method", "replicates", "difference", "low", "high"])


def main() -> None:
    """Print the table."""
    (points, comparisons), level = tables_and_level(__doc__, "curves", "equal_uptake")
    for row in own_levels(points, comparisons, level).itertuples():
        print(f"{row.method:20}{shown(row.difference, row.low, row.high)}, {row.replicates} replicates")


if __name__ == "__main__":
    main()
