"""Compare methods with a reference, paired by seed and probe, with Holm correction, and derive verdicts."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from tgl.analysis.crossed import Estimate, mean_estimate
from tgl.analysis.values import LOWER_IS_BETTER, RATIOS, Values, exp

LEVEL = 0.95
NO_DIFFERENCE = "no significant difference"
BETTER, WORSE = "better", "worse"


def compare(
    values: Mapping[tuple[str, str, str], Values],
    rates: Mapping[str, float],
    reference: str,
) -> pd.DataFrame:
    """Compare methods, each at its learning rate, with a reference.

    Perplexities are compared as logarithms, so their means are geometric and their differences are ratios.

    Args:
        values: Values by (set, kind, measure).
        rates: Methods to include, with the learning rate of each.
        reference: Method that the others are compared with.

    Returns:
        A table with one row for each set, kind, measure and method: mean, difference to the reference, intervals, p
        values and verdict. `p_holm` and the corrected interval limit the family-wise error to 5 % over all comparisons
        of the same measure (Holm 1979). The verdict is 'better' or 'worse' if the difference is significant after Holm
        correction, and 'no significant difference' otherwise. With one seed there is no verdict.
    """
    rows, differences = [], {}
    for (probe_set, kind, measure), found in values.items():
        back = exp if measure in RATIOS else float
        for method, rate in rates.items():
            if (method, rate) not in found.runs:
                continue
            sums = found.of(method, rate)
            level = mean_estimate(sums, found.weights)
            low, high = level.interval(LEVEL)
            row = {"set": probe_set, "kind": kind, "measure": measure, "method": method, "rate": rate}
            row |= {"seeds": level.num_seeds, "mean": back(level.mean), "low": back(low), "high": back(high)}
            row |= {"difference_is": "ratio" if measure in RATIOS else "difference"}
            if method != reference:
                apart = sums - found.of(reference, rates[reference])
                differences[len(rows)] = mean_estimate(apart, found.weights)
            rows.append(row)
    table = pd.DataFrame(rows)
    return table.join(_verdicts(table, differences)).astype({"verdict": object})


def _verdicts(table: pd.DataFrame, differences: Mapping[int, Estimate]) -> pd.DataFrame:
    """Return the columns of the differences and verdicts, indexed by row number."""
    found = {}
    for measure, family in table.groupby("measure"):
        members = {row: differences[row] for row in family.index if row in differences}
        levels = holm_levels({row: apart.p_value() for row, apart in members.items()})
        back = exp if measure in RATIOS else float
        for row, apart in members.items():
            p_holm, level, passed = levels[row]
            low, high = apart.interval(LEVEL)
            corrected_low, corrected_high = apart.interval(level)
            found[row] = {
                "difference": back(apart.mean),
                "difference_low": back(low),
                "difference_high": back(high),
                "corrected_low": back(corrected_low),
                "corrected_high": back(corrected_high),
                "p_value": apart.p_value(),
                "p_holm": p_holm,
                "verdict": verdict(apart, level, passed, measure=measure),
            }
    columns = [
        "difference",
        "difference_low",
        "difference_high",
        "corrected_low",
        "corrected_high",
        "p_value",
        "p_holm",
    ]
    frame = pd.DataFrame.from_dict(found, orient="index", columns=[*columns, "verdict"]).reindex(table.index)
    return frame.assign(verdict=frame["verdict"].fillna(""))


def holm_levels(p_values: Mapping[int, float]) -> dict[int, tuple[float, float, bool]]:
    """Apply Holm's procedure to p values.

    The k-th smallest of m p values (k from 0) is compared with 0.05 / (m - k), as long as all smaller ones passed. NaN
    stays NaN and does not count in m.

    Returns:
        For each key: the corrected p value, the level of its interval, and whether all smaller p values passed.
    """
    known = sorted((p, key) for key, p in p_values.items() if not math.isnan(p))
    found = dict.fromkeys(p_values, (math.nan, LEVEL, False))
    largest, passing = 0.0, True
    for number, (p, key) in enumerate(known):
        remaining = len(known) - number
        largest = max(largest, min(1.0, p * remaining))
        level = 1 - (1 - LEVEL) / remaining
        found[key] = (largest, level, passing)
        passing &= p * remaining < 1 - LEVEL
    return found


def verdict(apart: Estimate, level: float, passed: bool, *, measure: str) -> str:
    """Return the verdict on a paired difference.

    Args:
        apart: The paired difference.
        level: Level of its corrected interval.
        passed: Whether all smaller p values passed in Holm's procedure.
        measure: Name of the measure, which decides whether lower or higher values are better.
    """
    if apart.num_seeds < 2:
        return "one seed: no interval" if apart.num_seeds else "no seed in common"
    low, high = apart.interval(level)
    if not passed or low <= 0 <= high:
        return NO_DIFFERENCE
    return BETTER if (high < 0) == (measure in LOWER_IS_BETTER) else WORSE


def spread(values: Values, method: str, rate: float, *, reference: str, reference_rate: float) -> float:
    """Return the standard deviation over seeds of the paired difference of two runs, in logarithms for ratios."""
    apart = (values.of(method, rate) - values.of(reference, reference_rate)).sum(-1) / values.weights.sum()
    apart = apart[~np.isnan(apart)]
    return float(apart.std(ddof=1)) if len(apart) > 1 else math.nan
