"""Compute Spearman's rank correlation of averaged profiles with bootstrap intervals. Pure functions of arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata


@dataclass(frozen=True)
class Correlation:
    """A rank correlation over sublayers with its 95 % confidence interval; NaN if it is undefined."""

    value: float
    low: float
    high: float


def rank_correlation(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return Spearman's rank correlation along the last axis [..., num_units]; NaN if one side is constant."""
    a, b = rankdata(left, axis=-1), rankdata(right, axis=-1)
    a, b = a - a.mean(-1, keepdims=True), b - b.mean(-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (a * b).sum(-1) / np.sqrt((a**2).sum(-1) * (b**2).sum(-1))


def agreement(
    norms: np.ndarray,
    reference: np.ndarray,
    other: np.ndarray,
    *,
    resamples: int,
    seed: int,
    paired: bool,
) -> Correlation:
    """Return the rank correlation of the relative norm with another measure of the same units.

    The interval is a percentile bootstrap over examples. It does not cover the choice of sublayers.

    Args:
        norms: Numerator of the relative norm, [num_examples, num_units], averaged over examples.
        reference: Denominator of the relative norm, [num_references, num_units], averaged over examples.
        other: The other measure: [num_examples, num_units] of the same facts if `paired`, else [num_units].
        resamples: Number of bootstrap resamples.
        seed: Seed of the bootstrap.
        paired: Whether `other` is resampled together with `norms`.
    """
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(len(norms), np.full(len(norms), 1 / len(norms)), size=resamples)
    other_counts = rng.multinomial(
        len(reference), np.full(len(reference), 1 / len(reference)), size=resamples
    )
    drawn = (counts @ norms / len(norms)) / (other_counts @ reference / len(reference))
    drawn_other = counts @ other / len(norms) if paired else np.broadcast_to(other, drawn.shape)
    found = rank_correlation(drawn, drawn_other)
    value = float(rank_correlation(norms.mean(0) / reference.mean(0), other.mean(0) if paired else other))
    if not np.isfinite(found).any():
        return Correlation(value, np.nan, np.nan)
    low, high = np.nanquantile(found, [0.025, 0.975])
    return Correlation(value, float(low), float(high))
