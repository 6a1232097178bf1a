"""Relative gradient norms with bootstrap intervals, and paired differences of groups. Pure functions of arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tgl.errors import TglError

DENOMINATORS = ("window", "matched_span", "unchanged")


@dataclass(frozen=True)
class RelativeNorm:
    """Relative norms of the units, the last entry their mean.

    ratio [num_units + 1]; low, high: the limits of the 95 % interval [num_units + 1]; above_mean: probability that
    the unit's ratio is above the mean over units, [num_units + 1] (NaN for the mean itself).
    """

    ratio: np.ndarray
    low: np.ndarray
    high: np.ndarray
    above_mean: np.ndarray


def relative_norm(group: np.ndarray, reference: np.ndarray, resamples: int, seed: int) -> RelativeNorm:
    """Return the relative norm by unit and for the mean over units.

    group, reference: per-example norms [num_examples, num_units] of the same units. The relative norm of a
    unit is the ratio of the means over examples; examples of both groups are resampled independently, the
    interval is the percentile bootstrap's, and `above_mean` the share of the resamples. Raises TglError when
    the reference has a mean of zero.
    """
    if not (reference.mean(0) > 0).all():
        raise TglError("relative norm: a unit's gradients vanish on the reference text, no ratio exists")
    rng = np.random.default_rng(seed)
    drawn = _resampled_means(group, resamples, rng) / _resampled_means(reference, resamples, rng)
    low, high = np.quantile(_with_mean(drawn), [0.025, 0.975], axis=0)
    above = (drawn > drawn.mean(1, keepdims=True)).mean(0)
    return RelativeNorm(_with_mean(group.mean(0) / reference.mean(0)), low, high, np.append(above, np.nan))


@dataclass(frozen=True)
class PairedDifference:
    """Ratio of two paired groups by unit, the last entry that of the mean over units.

    ratio: geometric mean over pairs of left / right; low, high: its 95 % interval; p_value: of the sign-flip
    test, corrected for the number of units; each [num_units + 1]. The shape_ fields are the same after each
    pair's own mean over units is divided out: what is left differs between layers, not in level; the last
    entry of theirs is 1.
    """

    ratio: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p_value: np.ndarray
    shape_ratio: np.ndarray
    shape_low: np.ndarray
    shape_high: np.ndarray
    shape_p_value: np.ndarray


def paired_difference(left: np.ndarray, right: np.ndarray, resamples: int, seed: int) -> PairedDifference:
    """Compare paired per-example norms, left and right [num_pairs, num_units].

    Logarithms are compared: a norm's spread grows with its size. Intervals resample pairs. The test flips the
    sign of whole pairs, so that the units' correlation is kept, and refers each unit's |t| to the distribution
    of the largest |t| of any unit (Westfall and Young 1993), which holds the family-wise error. Raises TglError
    for fewer than two pairs and for a norm of zero.
    """
    if len(left) < 2 or left.shape != right.shape:
        raise TglError(
            f"paired difference: at least two pairs expected, found {left.shape} and {right.shape}"
        )
    if not ((left > 0).all() and (right > 0).all()):
        raise TglError("paired difference: a gradient norm is zero, its logarithm does not exist")
    logs = np.log(left) - np.log(right)
    level = logs.mean(1, keepdims=True)
    shape = _tested(logs - level, resamples, seed)
    whole = _tested(logs, resamples, seed)
    mean = _tested(level, resamples, seed)
    joined = [np.append(a, b) for a, b in zip(whole, mean, strict=True)]
    return PairedDifference(*joined, *(np.append(a, 1.0) for a in shape))


def _tested(logs: np.ndarray, resamples: int, seed: int) -> tuple[np.ndarray, ...]:
    """Return (ratio, low, high, p value) of each column of `logs` [num_pairs, num_columns]."""
    rng = np.random.default_rng(seed)
    low, high = np.quantile(_resampled_means(logs, resamples, rng), [0.025, 0.975], axis=0)
    signs = rng.choice((-1.0, 1.0), size=(resamples, len(logs)))
    largest = _t_values(signs @ logs / len(logs), logs).max(1)
    observed = _t_values(logs.mean(0), logs)
    p_values = (1 + (largest[:, None] >= observed * (1 - 1e-9)).sum(0)) / (1 + resamples)
    return np.exp(logs.mean(0)), np.exp(low), np.exp(high), p_values


def _t_values(means: np.ndarray, logs: np.ndarray) -> np.ndarray:
    """Return |t| of means [..., num_columns]; flipping signs leaves the sum of squares of `logs` as it is."""
    variance = np.maximum((logs**2).mean(0) - means**2, 0) / (len(logs) - 1)
    # Equal pairs have no spread: their t is 0 where the mean is, and larger than any other where it is not.
    return np.abs(means) / np.sqrt(np.maximum(variance, np.finfo(float).tiny))


def _resampled_means(values: np.ndarray, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """Return the means over resampled examples, [resamples, num_units]."""
    weights = rng.multinomial(len(values), np.full(len(values), 1 / len(values)), size=resamples)
    return weights @ values / len(values)


def _with_mean(values: np.ndarray) -> np.ndarray:
    return np.concatenate([values, values.mean(-1, keepdims=True)], axis=-1)
