"""Forgetting at equal uptake: methods compared along their learning rates, not at one tuned point.

Uptake is the log perplexity of updated facts, forgetting that of unchanged facts, both on test probes at the checkpoint
of their own period. A method's rates, beginning with none at all (the base model), trace a curve; neighbouring rates
are joined by straight lines. At a level of uptake a method's forgetting is the smallest at which its curve passes it.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from tgl.statistics.bootstrap import Estimate, draw, mean_estimate, widened
from tgl.statistics.compare import holm_levels, verdict
from tgl.statistics.values import Values

LEVELS = (0.5, 0.7, 0.9)  # shares of the reference's best uptake
BASE = ("base", 0.0)


def forgetting_at(uptake: np.ndarray, forgetting: np.ndarray, level: np.ndarray | float) -> np.ndarray:
    """Return the smallest forgetting at which a curve passes `level`, NaN where it never does.

    uptake, forgetting: [..., points] in order of the rate, lower is better for both; level: [...] or a number.
    """
    level = np.asarray(level)[..., None]
    left, right = uptake[..., :-1], uptake[..., 1:]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (level - left) / (right - left)
    share = np.where(left == level, 0.0, np.where(right == level, 1.0, share))
    passed = (np.minimum(left, right) <= level) & (level <= np.maximum(left, right))
    found = forgetting[..., :-1] + share * (forgetting[..., 1:] - forgetting[..., :-1])
    return np.where(passed, found, np.inf).min(-1, where=passed, initial=np.inf, keepdims=False) + np.where(
        passed.any(-1), 0.0, np.nan
    )


def curves(values: Values, method: str) -> list[int]:
    """Return the indices of a method's runs in order of the rate, the base model first."""
    own = sorted((rate, number) for number, (name, rate) in enumerate(values.runs) if name == method)
    return [values.runs.index(BASE), *(number for _, number in own)]


def at_equal_uptake(
    updated: Values, unchanged: Values, methods: list[str], reference: str, resamples: int
) -> pd.DataFrame:
    """Return one row a method and level: forgetting relative to `reference` at equal uptake, with its interval.

    updated, unchanged: log perplexities that hold the base model as ('base', 0.0). A level is a share of the fall
    in log perplexity of updated facts that the reference reaches at its best rate (mean over seeds). The difference
    is taken within each seed that both curves pass, `seeds` of them, and given as a ratio of perplexities (`error`:
    standard error of its logarithm). Words are corrected over all rows, as in `compare`.
    """
    means = updated.means()
    start = means[updated.runs.index(BASE)].mean()
    best = np.nanmean(means[curves(updated, reference)], axis=1).min()
    drawn = {
        "seeds": draw(len(updated.seeds), 1, resamples, 1).seeds,
        "updated": draw(1, len(updated.weights), resamples, 2).clusters,
        "unchanged": draw(1, len(unchanged.weights), resamples, 3).clusters,
    }
    rows, estimates = [], {}
    for share in LEVELS:
        level = start - share * (start - best)
        base = _curve_values(updated, unchanged, reference, level, drawn)
        for method in methods:
            if method == reference:
                continue
            apart = [
                own - other
                for own, other in zip(
                    _curve_values(updated, unchanged, method, level, drawn), base, strict=True
                )
            ]
            estimates[len(rows)] = _estimate(*apart, drawn["seeds"])
            rows.append(
                {
                    "reference": reference,
                    "method": method,
                    "share": share,
                    "uptake_perplexity": math.exp(level),
                }
            )
    corrected = holm_levels({row: apart.p_value() for row, apart in estimates.items()})
    for number, row in enumerate(rows):
        apart = estimates[number]
        p_holm, level, passed = corrected[number]
        low, high = apart.interval()
        row |= {
            "seeds": apart.num_seeds,
            "ratio": math.exp(apart.mean),
            "error": apart.error,
            "low": math.exp(low),
            "high": math.exp(high),
            "p_holm": p_holm,
            "verdict": verdict(apart, level, passed, "perplexity") if apart.num_seeds else "not reached",
        }
    return pd.DataFrame(rows)


def _curve_values(
    updated: Values, unchanged: Values, method: str, level: float, drawn: dict[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Return forgetting at `level` by seed, [seeds], and with resampled subjects, [resamples, seeds]."""
    pair = (updated, unchanged)
    sums = [values.sums[curves(values, method)] for values in pair]  # [points, seeds, clusters]
    plain = [part.sum(-1).T / values.weights.sum() for part, values in zip(sums, pair, strict=True)]
    again = [
        np.moveaxis(part @ counts.T / (values.weights @ counts.T), 0, -1).swapaxes(
            0, 1
        )  # [resamples, seeds, points]
        for part, values, counts in zip(
            sums, (updated, unchanged), (drawn["updated"], drawn["unchanged"]), strict=True
        )
    ]
    return forgetting_at(*plain, level), forgetting_at(*again, level)


def _estimate(plain: np.ndarray, again: np.ndarray, seeds: np.ndarray) -> Estimate:
    """Return the mean over the seeds that have a value; resamples in which one of them has none are left out."""
    has = ~np.isnan(plain)
    if has.sum() < 2:
        return Estimate(float(plain[has].mean()) if has.any() else math.nan, math.nan, int(has.sum()))
    weights = seeds[:, has] * ~np.isnan(again[:, has])
    total = weights.sum(1)
    means = (weights * np.nan_to_num(again[:, has])).sum(1)[total > 0] / total[total > 0]
    return Estimate(float(plain[has].mean()), widened(means, int(has.sum())), int(has.sum()))


def curve_points(updated: Values, unchanged: Values, methods: list[str], resamples: int) -> pd.DataFrame:
    """Return the points of each method's curve, mean over seeds with intervals, as perplexities."""
    rows = []
    for method in methods:
        for number in curves(updated, method):
            run = updated.runs[number]
            row: dict[str, object] = {"method": method, "rate": run[1]}
            for name, values in (("updated", updated), ("unchanged", unchanged)):
                found = mean_estimate(values.of(*run), values.weights, resamples, 0)
                low, high = found.interval()
                row |= {
                    name: math.exp(found.mean),
                    f"{name}_low": math.exp(low),
                    f"{name}_high": math.exp(high),
                }
            rows.append(row)
    return pd.DataFrame(rows)
