"""The table of comparisons at equal uptake: rates, differences, and verdicts in one family that is fixed beforehand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from tgl.analysis.compare import holm_levels, verdict
from tgl.analysis.uptake import (
    LEVELS,
    MARGIN,
    AtLevel,
    Curves,
    at_rates,
    best_rate,
    compared,
    level_of,
    most_learned,
    rate_of_each_seed,
)

# Why a planned comparison has no verdict.
NOT_RUN = "no verdict: not run in every replicate"
NOT_REACHED = "no verdict: not reached in every seed"
NOT_MEASURED = "no verdict: no step between start and end was scored"
AT_THE_EDGE = "no verdict: best rate at the edge of those tried"
TOO_CLOSE = "no verdict: level too close to the end of a run"
ONE_SEED = "no verdict: one seed"
ONE_SUBJECT = "no verdict: one subject has all facts to learn, or all unchanged facts"
DESCRIPTIVE = ""
COLUMNS = (
    "reference", "method", "share", "rate", "reference_rate", "seeds", "uptake", "forgetting",
    "reference_forgetting", "difference", "error", "freedom", "low", "high", "p_value", "p_holm", "equivalent",
    "lower_rates_fall_short", "own_rates_seeds", "own_rates_difference", "own_rates_error", "own_rates_freedom",
    "own_rates_low", "own_rates_high", "verdict",
)  # fmt: skip


@dataclass(frozen=True)
class MethodCurves:
    """The curves of all methods.

    Attributes:
        validation: By method and rate, on validation probes.
        test: By method and rate, on test probes.
        steps: Number of scored points of a curve in a period, with its end.
        tried: Rates of an earlier experiment by method. They count when a best rate must not be the smallest or largest
            one.
    """

    validation: Mapping[str, Mapping[float, Curves]]
    test: Mapping[str, Mapping[float, Curves]]
    steps: int
    tried: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def at_the_edge(self, method: str, rate: float) -> bool:
        """Return whether a rate is the smallest or the largest that a method was tried with."""
        tried = (*self.validation[method], *self.tried.get(method, ()))
        return rate in (min(tried), max(tried))


def at_equal_uptake(
    curves: MethodCurves,
    comparisons: Sequence[tuple[str, str]],
    *,
    primary: float,
    level_of_method: str | None = None,
) -> pd.DataFrame:
    """Compare the forgetting of methods with that of references at equal uptake.

    Only rows at the primary level have verdicts. They are one family for Holm's correction. A planned comparison
    without a result stays in the family, so results do not set its size.

    Args:
        curves: The curves.
        comparisons: Pairs (method, reference). One without curves gets a row without numbers.
        primary: The share of the reference's uptake at which verdicts are given, one of `LEVELS`.
        level_of_method: The method whose uptake sets the level of all comparisons; None: each reference sets its own.

    Returns:
        A table with one row for each comparison and level. `uptake` is the level, in nats per token that the reference
        learned. `forgetting` and `reference_forgetting` are nats per token of unchanged facts lost since the base
        model. `difference` is the first minus the second, with standard error, degrees of freedom and 95 % confidence
        interval. `equivalent`: two one-sided tests place it within 10 % of the reference's forgetting.
        `lower_rates_fall_short`: of the method or of the reference, a rate below the best one was tried and does not
        reach the level in every seed. So the number of steps sets the best rate. `own_rates_*`: the same comparison
        when each seed has the rate that is best on its own validation probes, without a verdict.
    """
    rows, results, words = [], {}, {}
    for method, reference in comparisons:
        for share in LEVELS:
            found, row = _row(curves, method, reference, whole_of=level_of_method or reference, share=share)
            row |= {"share": share}
            if share == primary:
                results[len(rows)] = found
                words[len(rows)] = row["verdict"]
            else:
                row["verdict"] = DESCRIPTIVE
            rows.append(row)
    p_values = {
        number: 1.0 if words[number] or found is None else found.difference.p_value()
        for number, found in results.items()
    }
    for number, (p_holm, level, passed) in holm_levels(p_values).items():
        rows[number]["p_holm"] = math.nan if words[number] else p_holm
        if not words[number]:
            rows[number]["verdict"] = verdict(results[number].difference, level, passed, measure="perplexity")
    return pd.DataFrame(rows, columns=COLUMNS)


def _row(
    curves: MethodCurves, method: str, reference: str, *, whole_of: str, share: float
) -> tuple[AtLevel | None, dict]:
    """Return the result of one comparison and its row. The verdict is empty if nothing stands against one.

    `whole_of` is the method of whose uptake the level is a share.
    """
    if not {method, reference} <= set(curves.validation):
        return None, _blank(method, reference) | {"verdict": NOT_RUN}
    top = most_learned(curves.validation[whole_of])
    level = float(level_of(curves.validation[whole_of][top].means()[0], share))
    whole = curves.test[whole_of][top]
    (rate, lost), (other_rate, other_lost) = (
        best_rate(curves.validation[name], level) for name in (method, reference)
    )
    row = _blank(method, reference) | _at_own_rates(
        curves, method, reference, whole=whole, level=level, share=share
    )
    row |= {"rate": rate or math.nan, "reference_rate": other_rate or math.nan}
    if rate is None or other_rate is None:
        return None, row | {"verdict": NOT_REACHED}
    theirs = curves.test[reference][other_rate]
    found = compared(curves.test[method][rate], theirs, whole, share=share)
    apart = found.difference
    low, high = apart.interval()
    starts = whole.means()[0][0].mean()
    row |= {
        "seeds": found.reached,
        "uptake": starts - found.level,
        "forgetting": found.lost + apart.mean,
        "reference_forgetting": found.lost,
        "difference": apart.mean,
        "error": apart.error,
        "freedom": apart.freedom,
        "low": low,
        "high": high,
        "p_value": apart.p_value(),
        "equivalent": apart.equivalent(MARGIN * abs(found.lost)),
        "lower_rates_fall_short": _falls_short_below(rate, lost)
        or _falls_short_below(other_rate, other_lost),
    }
    edge = curves.at_the_edge(method, rate) or curves.at_the_edge(reference, other_rate)
    number = whole.uptake.shape[1]
    if found.reached < number:
        word = NOT_REACHED
    elif curves.steps < 2:
        word = NOT_MEASURED
    elif number < 2:
        word = ONE_SEED
    elif any(np.count_nonzero(of_subjects) < 2 <= len(of_subjects) for of_subjects in whole.weights):
        word = ONE_SUBJECT
    elif math.isnan(apart.error):
        word = TOO_CLOSE
    else:
        word = AT_THE_EDGE if edge else ""
    return found, row | {"verdict": word}


def _blank(method: str, reference: str) -> dict:
    return dict.fromkeys(COLUMNS, math.nan) | {
        "reference": reference, "method": method, "seeds": 0, "equivalent": False, "lower_rates_fall_short": False,
        "own_rates_seeds": 0,
    }  # fmt: skip


def _falls_short_below(rate: float, lost: Mapping[float, float]) -> bool:
    return any(math.isnan(value) for lower, value in lost.items() if lower < rate)


def _at_own_rates(
    curves: MethodCurves, method: str, reference: str, *, whole: Curves, level: float, share: float
) -> dict[str, float]:
    """Return the comparison in which each seed has its own rates, over the seeds that reach the level."""
    rates = [rate_of_each_seed(curves.validation[name], level) for name in (method, reference)]
    found = {"own_rates_seeds": 0}
    if any(rate is None for own in rates for rate in own):
        found["own_rates_seeds"] = sum(None not in pair for pair in zip(*rates, strict=True))
        return found
    own, other = (
        at_rates(curves.test[name], of) for name, of in zip((method, reference), rates, strict=True)
    )
    result = compared(own, other, whole, share=share)
    low, high = result.difference.interval()
    return {
        "own_rates_seeds": result.reached,
        "own_rates_difference": result.difference.mean,
        "own_rates_error": result.difference.error,
        "own_rates_freedom": result.difference.freedom,
        "own_rates_low": low,
        "own_rates_high": high,
    }
