"""Spearman's rank correlation of averaged profiles, with bootstrap intervals. Pure functions of arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata


@dataclass(frozen=True)
class Correlation:
    """A rank correlation over sublayers with its 95 % interval; NaN where ranks do not exist."""

    value: float
    low: float
    high: float


def rank_correlation(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return Spearman's correlation of the last axes [..., num_units]; NaN where one side is constant."""
    a, b = rankdata(left, axis=-1), rankdata(right, axis=-1)
    a, b = a - a.mean(-1, keepdims=True), b - b.mean(-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (a * b).sum(-1) / np.sqrt((a**2).sum(-1) * (b**2).sum(-1))


def agreement(
    norms: np.ndarray,
    reference: np.ndarray,
    other: np.ndarray,
    resamples: int,
    seed: int,
    paired: bool,
) -> Correlation:
    """Return the rank correlation of the relative norm with another measure of the same units.

    norms [num_examples, num_units] over reference [num_references, num_units], both averaged over examples. other:
    [num_examples, num_units] of the same facts, resampled with them (`paired`), or [num_units], held fixed.
    The interval is the percentile bootstrap's over examples; it does not cover the choice of sublayers.
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
