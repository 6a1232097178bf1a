"""Intervals over seeds and subjects together, from the variance components of crossed random effects.

All seeds are scored on the same probes, so seeds and subjects are crossed: a value is a mean plus an effect of the
seed, an effect of the subject, and a rest of both. The variance of the mean is

    V = V_seeds + V_subjects - V_both,

where V_seeds and V_subjects are the variances of the means over seeds and over subjects, and V_both is that of the
rest, which both of them contain (Searle, Casella and McCulloch 1992, chapter 4; for clusters of any size Cameron,
Gelbach and Miller 2011). A component whose estimate is not positive is left out. The degrees of freedom of Student's t
are those of Satterthwaite (1946), at most (n - 1)^2 for the smaller side of n: with few seeds, tests at small levels
would otherwise reject too often. Where only subjects matter, or neither, the interval is a little too wide.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Estimate:
    """A mean with its standard error.

    Attributes:
        mean: The mean.
        error: Standard error of the mean; NaN for fewer than two seeds.
        num_seeds: Number of seeds.
        freedom: Degrees of freedom of Student's t.
    """

    mean: float
    error: float
    num_seeds: int
    freedom: float = math.nan

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return the limits of the two-sided confidence interval; NaN for fewer than two seeds."""
        if self.num_seeds < 2:
            return math.nan, math.nan
        half = stats.t.ppf(0.5 + level / 2, self.freedom) * self.error
        return self.mean - float(half), self.mean + float(half)

    def p_value(self) -> float:
        """Return the two-sided p value for the null hypothesis of a zero mean; NaN for fewer than two seeds."""
        if self.num_seeds < 2:
            return math.nan
        if self.error == 0:
            return 1.0 if self.mean == 0 else 0.0
        return float(2 * stats.t.sf(abs(self.mean) / self.error, self.freedom))

    def equivalent(self, margin: float, level: float = 0.95) -> bool:
        """Return whether two one-sided tests show that the mean lies within -margin to margin (Schuirmann 1987)."""
        low, high = self.interval(2 * level - 1)
        return -margin < low and high < margin


def mean_estimate(sums: np.ndarray, weights: np.ndarray) -> Estimate:
    """Estimate a weighted mean with its standard error.

    With a single cluster, the error is that of a mean over seeds.

    Args:
        sums: Weighted sums [seeds, clusters]. Seeds with NaN are excluded.
        weights: Sums of the weights [clusters].
    """
    sums = sums[~np.isnan(sums).any(1)]
    mean = float(sums.sum() / (len(sums) * weights.sum())) if len(sums) else math.nan
    if len(sums) < 2:
        return Estimate(mean, math.nan, len(sums))
    return from_influence(mean, (sums - mean * weights) / (len(sums) * weights.sum()))


def from_influence(mean: float, influence: np.ndarray) -> Estimate:
    """Return an estimate from the influence of each seed and cluster on the mean.

    Args:
        mean: The mean.
        influence: [seeds, clusters] with at least two seeds. For an unweighted mean of x it is (x - mean) / (seeds *
            clusters).
    """
    num_seeds, num_clusters = influence.shape
    of_seeds = _variance(influence.sum(1))
    if num_clusters == 1:
        return Estimate(mean, math.sqrt(of_seeds), num_seeds, num_seeds - 1)
    of_clusters = _variance(influence.sum(0))
    rest = influence - influence.mean(1, keepdims=True) - influence.mean(0) + influence.mean()
    freedom = (num_seeds - 1) * (num_clusters - 1)
    both = float((rest**2).sum() * influence.size / freedom)
    parts = [(of_seeds, num_seeds - 1), (of_clusters, num_clusters - 1)]
    kept = [part for part in parts if part[0] > both]
    variance = sum(part for part, _ in kept) - (len(kept) - 1) * both
    spread = sum(part**2 / own for part, own in kept) + (len(kept) - 1) ** 2 * both**2 / freedom
    satterthwaite = variance**2 / spread if spread else freedom
    # A variance over few seeds that happens to be small would claim many degrees of freedom.
    most = float((min(influence.shape) - 1) ** 2)
    return Estimate(mean, math.sqrt(max(variance, 0.0)), num_seeds, min(max(1.0, satterthwaite), most))


def _variance(influence: np.ndarray) -> float:
    """Return the variance of a sum from the influences of its independent members."""
    number = len(influence)
    return float(((influence - influence.mean()) ** 2).sum() * number / (number - 1))


def pooled(parts: Sequence[Estimate]) -> Estimate:
    """Average independent estimates, for instance of several worlds, with equal weights.

    The degrees of freedom follow Welch and Satterthwaite.

    Returns:
        The estimate. Its `num_seeds` is the sum over the parts, or 1 without an error if a part has no error.
    """
    mean = sum(part.mean for part in parts) / len(parts)
    if any(part.num_seeds < 2 for part in parts):
        return Estimate(mean, math.nan, 1)
    squares = [part.error**2 for part in parts]
    spread = sum(square**2 / part.freedom for square, part in zip(squares, parts, strict=True))
    freedom = sum(squares) ** 2 / spread if spread else sum(part.freedom for part in parts)
    return Estimate(mean, math.sqrt(sum(squares)) / len(parts), sum(p.num_seeds for p in parts), freedom)
