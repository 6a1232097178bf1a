"""Relative gradient norms with bootstrap intervals, and paired comparisons of groups. Pure functions of arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tgl.core.errors import TglError


@dataclass(frozen=True)
class RelativeNorm:
    """Relative norms of the units. The last entry of each array is for the mean over units.

    Attributes:
        ratio: The relative norms [num_units + 1].
        low: Lower limits of the 95 % intervals [num_units + 1].
        high: Upper limits of the 95 % intervals [num_units + 1].
        above_mean: Share of the resamples in which the unit's ratio is above the mean over units [num_units + 1]; NaN
            for the mean.
    """

    ratio: np.ndarray
    low: np.ndarray
    high: np.ndarray
    above_mean: np.ndarray


def relative_norm(
    group: np.ndarray, reference: np.ndarray, resamples: int, *, seed: int, names: Sequence[str] = ()
) -> RelativeNorm:
    """Return the relative norm of each unit and its mean over units.

    The relative norm of a unit is the ratio of the mean norms over examples. Intervals are percentile bootstrap
    intervals; examples of both groups are resampled independently.

    Args:
        group: Norms of the group's examples [num_examples, num_units].
        reference: Norms of the denominator's examples [num_examples, num_units].
        resamples: Number of bootstrap resamples.
        seed: Seed of the bootstrap.
        names: Names of the units, for messages; otherwise their numbers.

    Raises:
        TglError: A unit's mean norm of the reference is zero.
    """
    if not (reference.mean(0) > 0).all():
        idle = [names[n] if names else f"unit {n}" for n in np.flatnonzero(~(reference.mean(0) > 0))]
        raise TglError(
            f"relative norm: the gradients of {', '.join(idle[:4])}{' ...' if len(idle) > 4 else ''} vanish on the "
            "reference text, so no ratio exists. Weights that change nothing have none, such as matrix A of a LoRA "
            "adapter that was never trained: train it first, or choose larger units (profile.unit)"
        )
    rng = np.random.default_rng(seed)
    drawn = _resampled_means(group, resamples, rng) / _resampled_means(reference, resamples, rng)
    low, high = np.quantile(_with_mean(drawn), [0.025, 0.975], axis=0)
    above = (drawn > drawn.mean(1, keepdims=True)).mean(0)
    return RelativeNorm(_with_mean(group.mean(0) / reference.mean(0)), low, high, np.append(above, np.nan))


@dataclass(frozen=True)
class PairedDifference:
    """Ratios of two paired groups, each [num_units + 1]. The last entry is for the mean over units.

    The shape_ fields are computed after dividing each pair by its mean over units. So they compare the shape over
    layers and not the level. Their last entry is 1.

    Attributes:
        ratio: Geometric mean over pairs of left / right.
        low: Lower limit of its 95 % interval.
        high: Upper limit of its 95 % interval.
        p_value: P value of the sign-flip test, corrected for the number of units.
        shape_ratio: As `ratio`, for the shape.
        shape_low: As `low`, for the shape.
        shape_high: As `high`, for the shape.
        shape_p_value: As `p_value`, for the shape.
    """

    ratio: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p_value: np.ndarray
    shape_ratio: np.ndarray
    shape_low: np.ndarray
    shape_high: np.ndarray
    shape_p_value: np.ndarray


def paired_difference(left: np.ndarray, right: np.ndarray, resamples: int, *, seed: int) -> PairedDifference:
    """Compare paired per-example norms.

    The function compares logarithms, because the spread of a norm grows with its size. Intervals resample pairs. The
    test flips the signs of whole pairs, which keeps the correlation of the units. It compares each unit's |t| with the
    distribution of the largest |t| of all units (Westfall and Young 1993), which controls the family-wise error rate.

    Args:
        left: Norms of the first group [num_pairs, num_units].
        right: Norms of the second group [num_pairs, num_units].
        resamples: Number of bootstrap resamples and of sign flips.
        seed: Seed of both.

    Raises:
        TglError: There are fewer than two pairs, or a norm is zero.
    """
    if len(left) < 2 or left.shape != right.shape:
        raise TglError(
            f"paired difference: at least two pairs expected, found {left.shape} and {right.shape}. Give more probes"
        )
    if not ((left > 0).all() and (right > 0).all()):
        raise TglError(
            "paired difference: a gradient norm is zero, its logarithm does not exist. Leave out this example"
        )
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
    """Return |t| of means [..., num_columns]. Flipping signs does not change the sum of squares of `logs`."""
    variance = np.maximum((logs**2).mean(0) - means**2, 0) / (len(logs) - 1)
    # Equal pairs have no spread. Their t is 0 if the mean is 0, and otherwise larger than any other.
    return np.abs(means) / np.sqrt(np.maximum(variance, np.finfo(float).tiny))


def _resampled_means(values: np.ndarray, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """Return the means over resampled examples, [resamples, num_units]."""
    weights = rng.multinomial(len(values), np.full(len(values), 1 / len(values)), size=resamples)
    return weights @ values / len(values)


def _with_mean(values: np.ndarray) -> np.ndarray:
    return np.concatenate([values, values.mean(-1, keepdims=True)], axis=-1)
