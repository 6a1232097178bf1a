"""Show how a comparison at equal uptake depends on the lowest learning rate that plain training was tried with.

    python -m benchmarks.evidence.lowest_rate docs/evidence/architectures/gpt2-curves.csv --level 0.5

Every row leaves out the rates of `full` below one of them and compares the plans with `full` at the best of the rest.
Rates of the plans stay. Intervals are over seeds, with Student's t, and are not corrected. Such rows have no verdict,
because the lowest rate was taken away on purpose.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from tgl.analysis.curve_points import curves_from, mean_points
from tgl.analysis.equal_uptake import at_equal_uptake
from tgl.analysis.uptake import LEVELS, best_rate, level_of, most_learned
from tgl.report.method_figures import uptake_curves
from tgl.report.methods import REFERENCE
from tgl.train.methods import rate_text


def by_lowest_rate(points: pd.DataFrame, level: float) -> pd.DataFrame:
    """Return the comparisons with `full` for each lowest rate of `full`, down to the lowest one that was tried.

    Args:
        points: The table curves.csv of a report.
        level: The share of what `full` learns by the end, at the rate at which it learns most.

    Returns:
        A table with the columns lowest, method, rate, reference_rate, seeds, forgetting, reference_forgetting,
        difference, low and high, in nats per token, and the last three with a rate of its own for each seed. NaN where
        a method does not reach the level.
    """
    own = points["method"] == REFERENCE
    found = []
    for lowest in sorted(points.loc[own, "rate"].unique(), reverse=True):
        curves = curves_from(points[~own | (points["rate"] >= lowest)])
        pairs = [(method, REFERENCE) for method in curves.test if method != REFERENCE]
        table = at_equal_uptake(curves, pairs, primary=level)
        found.append(table[table["share"] == level].assign(lowest=lowest))
    columns = ["lowest", "method", "rate", "reference_rate", "seeds", "forgetting", "reference_forgetting"]
    numbers = [f"{start}{name}" for start in ("", "own_rates_") for name in ("difference", "low", "high")]
    return pd.concat(found, ignore_index=True)[[*columns, *numbers]]


def picture(points: pd.DataFrame, level: float, *, other_rates: Sequence[float]) -> str:
    """Draw the curves of all methods at their best rates, and of `full` at other rates, as SVG text.

    Args:
        points: The table curves.csv of a report.
        level: The share of what `full` learns, at which rates are chosen on validation probes.
        other_rates: Rates of `full` to draw too.
    """
    curves = curves_from(points).validation
    goal = float(level_of(curves[REFERENCE][most_learned(curves[REFERENCE])].means()[0], level))
    best = [(method, best_rate(by_rate, goal)[0]) for method, by_rate in curves.items()]
    chosen = [(method, rate) for method, rate in best if rate is not None]
    chosen += [(REFERENCE, rate) for rate in other_rates]
    means = mean_points(points)
    named = means.assign(run=[f"{row.method} at {rate_text(row.rate)}" for row in means.itertuples()]).rename(
        columns={"method": "plan", "run": "method"}
    )
    rates = {f"{method} at {rate_text(rate)}": rate for method, rate in chosen}
    return uptake_curves(named, rates, next(name for name in rates if name.startswith(f"{REFERENCE} at")))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("curves", type=Path)
    parser.add_argument("--level", type=float, default=0.5, choices=LEVELS)
    parser.add_argument("--figure", type=Path, help="SVG file that gets the curves")
    parser.add_argument("--other-rates", type=float, nargs="*", default=[], help="rates of full to draw too")
    options = parser.parse_args()
    points = pd.read_csv(options.curves)
    if options.figure:
        options.figure.write_text(picture(points, options.level, other_rates=options.other_rates))
    table = by_lowest_rate(points, options.level)
    for lowest, rows in table.groupby("lowest", sort=False):
        print(f"full from rate {rate_text(lowest)}: best at {rate_text(rows['reference_rate'].iloc[0])}")
        for row in rows.itertuples():
            own = f"{row.own_rates_difference:.3f} [{row.own_rates_low:.3f}, {row.own_rates_high:.3f}]"
            apart = f"{row.difference:8.3f} [{row.low:.3f}, {row.high:.3f}]"
            print(f"  {row.method:20}{apart}, {row.seeds} seeds; own rates: {own}")


if __name__ == "__main__":
    main()
