"""Print what a screen chose on validation probes, from its raw table of scores by step.

    python -m benchmarks.evidence.screen docs/evidence/pretrained/screen{2,3}-steps.csv --level 0.7

For each method: the rate that forgets least where the method has learned a share of what `full` learns, the nats per
token that unchanged facts have lost there, and whether the rate is the smallest or largest that was tried. A rate whose
runs do not learn as much is left out. A screen has one replicate, so there are no intervals.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from tgl.analysis.uptake import best_rate, level_of, most_learned
from tgl.report.methods import REFERENCE
from tgl.report.replicates import replicate_curves
from tgl.train.methods import rate_text

UPTAKE = ("updated", "new_entity")


def screened(rows: pd.DataFrame, level: float) -> tuple[float, pd.DataFrame]:
    """Return the uptake at the level in nats per token, and a table by method.

    Args:
        rows: The raw scores, as `tgl replicates` writes them to steps.csv.
        level: The share of what `full` learns by the end, at the rate at which it learns most.

    Returns:
        The uptake, and a table with the columns method, rate, lost (nats per token) and edge; NaN where no rate reaches
        the level.
    """
    curves = replicate_curves(rows.assign(kind=rows["kind"].fillna("")), UPTAKE).validation
    top = curves[REFERENCE][most_learned(curves[REFERENCE])]
    goal = float(level_of(top.means()[0], level))
    start, base = (float(means[0].mean()) for means in top.means())
    found = []
    for method, by_rate in curves.items():
        rate, lost = best_rate(by_rate, goal)
        found.append(
            {
                "method": method,
                "rate": math.nan if rate is None else rate,
                "lost": math.nan if rate is None else lost[rate] - base,
                "edge": rate in (min(by_rate), max(by_rate)),
            }
        )
    return start - goal, pd.DataFrame(found).sort_values("lost", kind="stable")


def joined(paths: Sequence[str | Path]) -> pd.DataFrame:
    """Return the rows of raw tables. A row that two of them have is counted once."""
    return pd.concat([pd.read_csv(path) for path in paths], ignore_index=True).drop_duplicates(
        ignore_index=True
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tables", nargs="+", help="raw tables; the base model's rows can be in several")
    parser.add_argument("--level", type=float, default=0.9)
    options = parser.parse_args()
    uptake, table = screened(joined(options.tables), options.level)
    print(f"level {options.level:.0%}: {uptake:.2f} nats per token learned")
    for row in table.itertuples():
        rate = "-" if math.isnan(row.rate) else rate_text(row.rate)
        lost = "not reached" if math.isnan(row.lost) else f"{row.lost:.3f}"
        print(f"{row.method:20}{rate:>8}{lost:>14}{'  edge' if row.edge else ''}")


if __name__ == "__main__":
    main()
