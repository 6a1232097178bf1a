"""Forgetting at equal uptake: methods compared along their learning rates, not at one tuned point.

Uptake is the log perplexity of updated facts, forgetting that of unchanged facts, both on test probes at the checkpoint
of their own period. A method's rates, beginning with none at all (the base model), trace a curve; neighbouring rates
are joined by straight lines. At a level of uptake a method's forgetting is the smallest at which its curve passes it.

The base model is no measurement of training: between it and the lowest rate the curve is an assumption. A comparison
gets a verdict only where, in every seed, both curves pass the level between two rates that were run.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from tgl.errors import TglError
from tgl.plans.names import rate_text
from tgl.statistics.bootstrap import Estimate, Resamples, draw, from_means, mean_estimate
from tgl.statistics.compare import holm_levels, verdict
from tgl.statistics.values import Values, exp

LEVELS = (0.5, 0.7, 0.9)  # shares of the reference's best uptake
BASE = ("base", 0.0)
SOME_SEEDS = "reached in some seeds"
NOT_REACHED = "not reached"
NOT_MEASURED = "no verdict: no measured rate on one side of the level"


def forgetting_at(uptake: np.ndarray, forgetting: np.ndarray, level: np.ndarray | float) -> np.ndarray:
    """Return the smallest forgetting at which a curve passes `level`, NaN where it never does.

    uptake, forgetting: [..., points] in order of the rate, lower is better for both; level: [...] or a number.
    """
    level = np.asarray(level)[..., None]
    left, right = uptake[..., :-1], uptake[..., 1:]
    crossed = (np.minimum(left, right) < level) & (level < np.maximum(left, right))
    share = np.where(crossed, level - left, 0) / np.where(crossed, right - left, 1)
    between = forgetting[..., :-1] + share * (forgetting[..., 1:] - forgetting[..., :-1])
    passed = (np.where(uptake == level, forgetting, np.nan), np.where(crossed, between, np.nan))
    return np.fmin.reduce(np.concatenate(passed, -1), axis=-1)


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
    standard error of its logarithm). Verdicts are corrected over all rows, as in `compare`. A row that some seeds do
    not reach has none, as those that do are the lucky ones; nor has a row where a level does not lie between two
    measured rates of both methods in every seed. `missing` says which rates would have to be run, as in 'full: below
    0.003' (several parted by '; '). A reference that takes up nothing gives no level to reach.
    """
    if (updated.runs, updated.seeds) != (unchanged.runs, unchanged.seeds):
        raise TglError(
            "scores: not all runs hold both updated and unchanged facts; make the scores of all runs again from the "
            "same probes"
        )
    means = np.nanmean(updated.means(), axis=1)
    start, best = means[updated.runs.index(BASE)], means[curves(updated, reference)].min()
    fall = start - best if best < start else math.nan
    names = np.union1d(updated.clusters, unchanged.clusters)
    drawn = draw(len(updated.seeds), len(names), resamples, 0)
    num_clusters = min(
        (len(values.clusters) for values in (updated, unchanged) if len(values.clusters) > 1),
        default=math.inf,
    )
    rows, estimates, measured = [], {}, {}
    for share in LEVELS:
        level = start - share * fall
        base = _curve_values(updated, unchanged, reference, level, drawn, names)
        of_reference = missing_rates(updated, unchanged, reference, level)
        for method in methods:
            if method == reference:
                continue
            missing = of_reference + missing_rates(updated, unchanged, method, level)
            measured[len(rows)] = not missing
            apart = [
                own - other
                for own, other in zip(
                    _curve_values(updated, unchanged, method, level, drawn, names), base, strict=True
                )
            ]
            estimates[len(rows)] = _estimate(*apart, drawn.seeds, num_clusters)
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
            word = verdict(apart, level, passed, "perplexity")
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


def missing_rates(updated: Values, unchanged: Values, method: str, level: float) -> list[str]:
    """Return which rates of a method would have to be run for its curve to pass `level` between measured points.

    Lines such as 'full: below 0.003'; none where every seed's curve passes the level between two rates, and none for a
    level that does not exist.
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
    # Read on the stretch from the base model to the lowest rate.
    if (~np.isnan(reached) & (reached != measured)).any():
        lines.append(f"{method}: below {rate_text(rates[0])}")
    if np.isnan(reached).any():
        # A larger rate than the best one takes up less.
        lines.append(
            f"{method}: above {rate_text(best)}" if best == rates[-1] else f"{method}: near {rate_text(best)}"
        )
    return lines


def _curve_values(
    updated: Values, unchanged: Values, method: str, level: float, drawn: Resamples, names: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return forgetting at `level` by seed, [seeds], and with resampled subjects, [resamples, seeds].

    names: the subjects drawn; one that has both updated and unchanged facts is drawn with both.
    """
    plain, again = [], []
    for values in (updated, unchanged):
        sums = values.sums[curves(values, method)]  # [points, seeds, clusters]
        counts = drawn.clusters[:, np.searchsorted(names, values.clusters)].T
        plain.append(sums.sum(-1).T / values.weights.sum())
        with np.errstate(invalid="ignore"):  # none drawn of this kind: no value
            again.append((sums @ counts / (values.weights @ counts)).T)  # [resamples, seeds, points]
    return forgetting_at(*plain, level), forgetting_at(*again, level)


def _estimate(plain: np.ndarray, again: np.ndarray, seeds: np.ndarray, num_clusters: float) -> Estimate:
    """Return the mean over the seeds that have a value, with its error; a resampled seed that has none is left out."""
    has = ~np.isnan(plain)
    if has.sum() < 2:
        return Estimate(float(plain[has].mean()) if has.any() else math.nan, math.nan, int(has.sum()))
    weights = seeds[:, has] * ~np.isnan(again[:, has])
    total = weights.sum(1)
    means = (weights * np.nan_to_num(again[:, has])).sum(1)[total > 0] / total[total > 0]
    return from_means(float(plain[has].mean()), means, int(has.sum()), num_clusters)


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
                    name: exp(found.mean),
                    f"{name}_low": exp(low),
                    f"{name}_high": exp(high),
                }
            rows.append(row)
    return pd.DataFrame(rows)
