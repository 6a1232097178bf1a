"""Compare forgetting at equal uptake, over all learning rates of a method instead of one tuned rate.

Uptake is the log perplexity of updated facts. Forgetting is that of unchanged facts. Both use test probes at the
checkpoint of their own period. The base model and the learning rates of a method form a curve, with straight lines
between neighbouring rates. If a curve passes a level of uptake several times, the smallest forgetting counts.

Between the base model and the lowest rate, the curve is an assumption and not a measurement. Therefore a comparison has
a verdict only if, in every seed, both curves pass the level between two rates that were run.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from tgl.analysis.bootstrap import Estimate, Resamples, draw, from_means, mean_estimate
from tgl.analysis.compare import holm_levels, verdict
from tgl.analysis.values import Values, exp
from tgl.core.errors import TglError
from tgl.train.methods import rate_text

LEVELS = (0.5, 0.7, 0.9)  # Shares of the reference's best uptake.
BASE = ("base", 0.0)
SOME_SEEDS = "reached in some seeds"
NOT_REACHED = "not reached"
NOT_MEASURED = "no verdict: no measured rate on one side of the level"


def forgetting_at(uptake: np.ndarray, forgetting: np.ndarray, level: np.ndarray | float) -> np.ndarray:
    """Return the smallest forgetting at which a curve passes a level of uptake; NaN if it never does.

    Args:
        uptake: Log perplexities of updated facts [..., points], in order of the rate. Lower is better.
        forgetting: Log perplexities of unchanged facts [..., points], in the same order. Lower is better.
        level: Level of uptake, [...] or a number.
    """
    level = np.asarray(level)[..., None]
    left, right = uptake[..., :-1], uptake[..., 1:]
    crossed = (np.minimum(left, right) < level) & (level < np.maximum(left, right))
    share = np.where(crossed, level - left, 0) / np.where(crossed, right - left, 1)
    between = forgetting[..., :-1] + share * (forgetting[..., 1:] - forgetting[..., :-1])
    passed = (np.where(uptake == level, forgetting, np.nan), np.where(crossed, between, np.nan))
    return np.fmin.reduce(np.concatenate(passed, -1), axis=-1)


def curves(values: Values, method: str) -> list[int]:
    """Return the indices of the base model and then of a method's runs in order of the rate."""
    own = sorted((rate, number) for number, (name, rate) in enumerate(values.runs) if name == method)
    return [values.runs.index(BASE), *(number for _, number in own)]


def at_equal_uptake(
    updated: Values, unchanged: Values, methods: list[str], *, reference: str, resamples: int
) -> pd.DataFrame:
    """Compare the forgetting of methods with that of a reference at equal uptake.

    A level is a share of the fall in log perplexity of updated facts that the reference reaches at its best rate (mean
    over seeds). The difference is computed within each seed in which both curves pass the level. Verdicts use Holm
    correction over all rows, as in `compare`. A row has no verdict in two cases:

    - Some seeds do not reach the level. The seeds that do are a biased selection.
    - In some seed, the level does not lie between two measured rates of both methods.

    Args:
        updated: Log perplexities of updated facts, with the base model as ('base', 0.0).
        unchanged: Log perplexities of unchanged facts of the same runs.
        methods: Methods to compare.
        reference: Method that the others are compared with. If it learns nothing, no level is defined.
        resamples: Number of bootstrap resamples.

    Returns:
        A table with one row for each method and level. `ratio` is the ratio of the perplexities of unchanged facts,
        `error` the standard error of its logarithm and `seeds` the number of seeds in which both curves pass the level.
        `missing` lists the learning rates that would have to be run, such as 'full: below 0.003', separated by '; '.

    Raises:
        TglError: If some runs do not have both kinds of facts.
    """
    if (updated.runs, updated.seeds) != (unchanged.runs, unchanged.seeds):
        raise TglError(
            "scores: not all runs have both updated and unchanged facts. Compute the scores of all runs again from the "
            "same probes."
        )
    means = np.nanmean(updated.means(), axis=1)
    start, best = means[updated.runs.index(BASE)], means[curves(updated, reference)].min()
    fall = start - best if best < start else math.nan
    names = np.union1d(updated.clusters, unchanged.clusters)
    drawn = draw(len(updated.seeds), len(names), resamples, seed=0)
    num_clusters = min(
        (len(values.clusters) for values in (updated, unchanged) if len(values.clusters) > 1),
        default=math.inf,
    )
    rows, estimates, measured = [], {}, {}
    for share in LEVELS:
        level = start - share * fall
        base = _curve_values(updated, unchanged, reference, level=level, drawn=drawn, names=names)
        of_reference = missing_rates(updated, unchanged, reference, level=level)
        for method in methods:
            if method == reference:
                continue
            missing = of_reference + missing_rates(updated, unchanged, method, level=level)
            measured[len(rows)] = not missing
            apart = [
                own - other
                for own, other in zip(
                    _curve_values(updated, unchanged, method, level=level, drawn=drawn, names=names),
                    base,
                    strict=True,
                )
            ]
            estimates[len(rows)] = _estimate(*apart, drawn.seeds, num_clusters=num_clusters)
            rows.append(
                {
                    "reference": reference,
                    "method": method,
                    "share": share,
                    "uptake_perplexity": exp(level),
                    "missing": "; ".join(missing),
                }
            )
    everywhere = {row: apart.num_seeds == len(updated.seeds) for row, apart in estimates.items()}
    corrected = holm_levels(
        {row: apart.p_value() if everywhere[row] else math.nan for row, apart in estimates.items()}
    )
    for number, row in enumerate(rows):
        apart = estimates[number]
        p_holm, level, passed = corrected[number]
        low, high = apart.interval()
        if not apart.num_seeds:
            word = NOT_REACHED
        elif not everywhere[number]:
            word = SOME_SEEDS
        elif not measured[number]:
            word = NOT_MEASURED
        else:
            word = verdict(apart, level, passed, measure="perplexity")
        row |= {
            "seeds": apart.num_seeds,
            "ratio": exp(apart.mean),
            "error": apart.error,
            "low": exp(low),
            "high": exp(high),
            "p_holm": p_holm,
            "verdict": word,
            "missing": row.pop("missing"),
        }
    return pd.DataFrame(rows)


def missing_rates(updated: Values, unchanged: Values, method: str, *, level: float) -> list[str]:
    """Return which learning rates of a method are missing for its curve to pass a level between measured points.

    Returns:
        Texts such as 'full: below 0.003'. The list is empty if the curve of every seed passes the level between two
        rates, or if the level is NaN.
    """
    own = curves(updated, method)
    uptake, forgetting = (values.means()[own].T for values in (updated, unchanged))  # [seeds, points]
    rates = [updated.runs[number][1] for number in own[1:]]
    if math.isnan(level) or not rates:
        return []
    present = ~np.isnan(uptake).any(axis=1)
    reached = forgetting_at(uptake, forgetting, level)[present]
    measured = forgetting_at(uptake[:, 1:], forgetting[:, 1:], level)[present]
    best = rates[int(np.nanargmin(np.nanmean(uptake[:, 1:], axis=0)))]
    lines = []
    # Some seeds pass the level only between the base model and the lowest rate, which was not measured.
    if (~np.isnan(reached) & (reached != measured)).any():
        lines.append(f"{method}: below {rate_text(rates[0])}")
    if np.isnan(reached).any():
        # If the best rate is not the largest, larger rates learn less, so only rates near the best one can help.
        lines.append(
            f"{method}: above {rate_text(best)}" if best == rates[-1] else f"{method}: near {rate_text(best)}"
        )
    return lines


def _curve_values(
    updated: Values, unchanged: Values, method: str, *, level: float, drawn: Resamples, names: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return forgetting at `level` by seed, [seeds], and with resampled subjects, [resamples, seeds].

    A subject in `names` that has both updated and unchanged facts is drawn with both.
    """
    plain, resampled = [], []
    for values in (updated, unchanged):
        sums = values.sums[curves(values, method)]  # [points, seeds, clusters]
        counts = drawn.clusters[:, np.searchsorted(names, values.clusters)].T
        plain.append(sums.sum(-1).T / values.weights.sum())
        with np.errstate(invalid="ignore"):  # A resample without any subject of this kind gives NaN.
            resampled.append((sums @ counts / (values.weights @ counts)).T)  # [resamples, seeds, points]
    return forgetting_at(*plain, level), forgetting_at(*resampled, level)


def _estimate(
    plain: np.ndarray, resampled: np.ndarray, seeds: np.ndarray, *, num_clusters: float
) -> Estimate:
    """Return the mean over the seeds with a value, and its error. Resampled seeds without a value are excluded."""
    has = ~np.isnan(plain)
    if has.sum() < 2:
        return Estimate(float(plain[has].mean()) if has.any() else math.nan, math.nan, int(has.sum()))
    weights = seeds[:, has] * ~np.isnan(resampled[:, has])
    total = weights.sum(1)
    means = (weights * np.nan_to_num(resampled[:, has])).sum(1)[total > 0] / total[total > 0]
    return from_means(float(plain[has].mean()), means, int(has.sum()), num_clusters=num_clusters)


def curve_points(updated: Values, unchanged: Values, methods: list[str], *, resamples: int) -> pd.DataFrame:
    """Return the points of each method's curve as perplexities: means over seeds with intervals."""
    rows = []
    for method in methods:
        for number in curves(updated, method):
            run = updated.runs[number]
            row: dict[str, object] = {"method": method, "rate": run[1]}
            for name, values in (("updated", updated), ("unchanged", unchanged)):
                found = mean_estimate(values.of(*run), values.weights, resamples, seed=0)
                low, high = found.interval()
                row |= {
                    name: exp(found.mean),
                    f"{name}_low": exp(low),
                    f"{name}_high": exp(high),
                }
            rows.append(row)
    return pd.DataFrame(rows)
