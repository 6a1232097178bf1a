"""Compute intervals over seeds and probes together, with a bootstrap that draws whole seeds and whole subjects.

All seeds are scored on the same probes, so seeds and subjects are crossed. Both are drawn with replacement,
independently. This is the pigeonhole bootstrap (Owen 2007), which is conservative. With few seeds, a percentile
interval is too narrow (Hesterberg 2015). Therefore the bootstrap gives only the standard error, multiplied by
sqrt(n / (n - 1)), and the interval uses Student's t with n - 1 degrees of freedom. n is the number of seeds, or the
number of subjects if there are fewer subjects.
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
        num_clusters: Number of clusters that were drawn in addition to the seeds; infinity if none were drawn.
    """

    mean: float
    error: float
    num_seeds: int
    num_clusters: float = math.inf

    @property
    def freedom(self) -> int:
        """The degrees of freedom of Student's t: the smaller of the numbers of seeds and clusters, minus one."""
        return int(min(self.num_seeds, self.num_clusters)) - 1

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


@dataclass(frozen=True)
class Resamples:
    """Number of times that each seed and each cluster is drawn.

    Attributes:
        seeds: Counts [resamples, seeds].
        clusters: Counts [resamples, clusters].
    """

    seeds: np.ndarray
    clusters: np.ndarray


def draw(num_seeds: int, num_clusters: int, resamples: int, *, seed: int) -> Resamples:
    """Draw seeds and clusters with replacement. The same seed gives the same draws for every method."""
    rng = np.random.default_rng(seed)

    def counts(size: int) -> np.ndarray:
        return rng.multinomial(size, np.full(size, 1 / size), size=resamples).astype(float)

    return Resamples(counts(num_seeds), counts(num_clusters))


def mean_estimate(sums: np.ndarray, weights: np.ndarray, resamples: int, *, seed: int) -> Estimate:
    """Estimate a weighted mean with its standard error.

    A single cluster is not resampled; then the error is that of a mean over seeds.

    Args:
        sums: Weighted sums [seeds, clusters]. Seeds with NaN are excluded.
        weights: Sums of the weights [clusters].
        resamples: Number of bootstrap resamples.
        seed: Seed of the bootstrap.
    """
    sums = sums[~np.isnan(sums).any(1)]
    mean = float(sums.sum() / (len(sums) * weights.sum())) if len(sums) else math.nan
    if len(sums) < 2:
        return Estimate(mean, math.nan, len(sums))
    if len(weights) == 1:
        values = sums[:, 0] / weights[0]
        return Estimate(mean, float(values.std(ddof=1) / math.sqrt(len(values))), len(values))
    drawn = draw(len(sums), len(weights), resamples, seed=seed)
    means = ((drawn.seeds @ sums) * drawn.clusters).sum(1) / (len(sums) * (drawn.clusters @ weights))
    return from_means(mean, means, len(sums), num_clusters=len(weights))


def from_means(mean: float, means: np.ndarray, num_seeds: int, *, num_clusters: float) -> Estimate:
    """Return an estimate whose error comes from resampled means.

    Args:
        mean: The mean of the data.
        means: Means of the resamples.
        num_seeds: Number of seeds, at least 2.
        num_clusters: Number of clusters, at least 2.
    """
    fewest = min(num_seeds, num_clusters)
    error = float(means.std(ddof=1) * math.sqrt(fewest / (fewest - 1)))
    return Estimate(mean, error, num_seeds, num_clusters)


def pooled(parts: Sequence[Estimate]) -> Estimate:
    """Average independent estimates, for instance of several worlds, with equal weights.

    The degrees of freedom follow Welch and Satterthwaite, rounded down.

    Returns:
        The estimate. Its `num_seeds` is the number of degrees of freedom plus one. Its error is NaN if a part has no
        error.
    """
    mean = sum(part.mean for part in parts) / len(parts)
    if any(part.num_seeds < 2 for part in parts):
        return Estimate(mean, math.nan, 1)
    squares = [part.error**2 for part in parts]
    spread = sum(square**2 / part.freedom for square, part in zip(squares, parts, strict=True))
    freedom = int(sum(squares) ** 2 / spread) if spread else sum(part.freedom for part in parts)
    return Estimate(mean, math.sqrt(sum(squares)) / len(parts), freedom + 1)
