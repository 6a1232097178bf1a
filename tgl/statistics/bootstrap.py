"""Intervals over seeds and probes at once: a bootstrap that draws whole seeds and whole subjects.

All seeds are scored on the same probes, so that seeds and subjects are crossed, and both are drawn with replacement,
independently (the pigeonhole bootstrap, Owen 2007, which errs on the wide side). With few seeds a percentile interval
is too narrow (Hesterberg 2015), so the bootstrap gives the standard error, widened by sqrt(n / (n - 1)), and Student's
t with n - 1 degrees of freedom the rest; n is the number of seeds, or of subjects where these are fewer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Estimate:
    """A mean with its standard error; num_seeds runs stand behind it, and below two there is no error.

    num_clusters: how many clusters were drawn beside the seeds; infinite where none were.
    """

    mean: float
    error: float
    num_seeds: int
    num_clusters: float = math.inf

    @property
    def freedom(self) -> int:
        """Return the degrees of freedom of Student's t: one less than the seeds, or clusters where these are fewer."""
        return int(min(self.num_seeds, self.num_clusters)) - 1

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return the limits of the two-sided interval; NaN where fewer than two seeds give none."""
        if self.num_seeds < 2:
            return math.nan, math.nan
        half = stats.t.ppf(0.5 + level / 2, self.freedom) * self.error
        return self.mean - float(half), self.mean + float(half)

    def p_value(self) -> float:
        """Return the two-sided p value of a mean of zero; NaN for fewer than two seeds."""
        if self.num_seeds < 2:
            return math.nan
        if self.error == 0:
            return 1.0 if self.mean == 0 else 0.0
        return float(2 * stats.t.sf(abs(self.mean) / self.error, self.freedom))


@dataclass(frozen=True)
class Resamples:
    """How often each seed and each cluster is drawn: seeds [resamples, seeds], clusters [resamples, clusters]."""

    seeds: np.ndarray
    clusters: np.ndarray


def draw(num_seeds: int, num_clusters: int, resamples: int, seed: int) -> Resamples:
    """Draw seeds and clusters with replacement, the same for every method that is compared."""
    rng = np.random.default_rng(seed)

    def counts(size: int) -> np.ndarray:
        return rng.multinomial(size, np.full(size, 1 / size), size=resamples).astype(float)

    return Resamples(counts(num_seeds), counts(num_clusters))


def mean_estimate(sums: np.ndarray, weights: np.ndarray, resamples: int, seed: int) -> Estimate:
    """Return the mean of sums [seeds, clusters] over weights [clusters]; seeds that hold NaN are left out.

    One cluster alone is not resampled: then the error is that of a mean over seeds.
    """
    sums = sums[~np.isnan(sums).any(1)]
    mean = float(sums.sum() / (len(sums) * weights.sum())) if len(sums) else math.nan
    if len(sums) < 2:
        return Estimate(mean, math.nan, len(sums))
    if len(weights) == 1:
        values = sums[:, 0] / weights[0]
        return Estimate(mean, float(values.std(ddof=1) / math.sqrt(len(values))), len(values))
    drawn = draw(len(sums), len(weights), resamples, seed)
    means = ((drawn.seeds @ sums) * drawn.clusters).sum(1) / (len(sums) * (drawn.clusters @ weights))
    return from_means(mean, means, len(sums), len(weights))


def from_means(mean: float, means: np.ndarray, num_seeds: int, num_clusters: float) -> Estimate:
    """Return the estimate whose error comes from resampled means, of at least two seeds and clusters."""
    fewest = min(num_seeds, num_clusters)
    error = float(means.std(ddof=1) * math.sqrt(fewest / (fewest - 1)))
    return Estimate(mean, error, num_seeds, num_clusters)


def pooled(parts: Sequence[Estimate]) -> Estimate:
    """Return the mean of independent estimates, as of several worlds, each counting the same.

    Its degrees of freedom are Welch's and Satterthwaite's, rounded down; num_seeds is one more than these. NaN where
    a part has no error.
    """
    mean = sum(part.mean for part in parts) / len(parts)
    if any(part.num_seeds < 2 for part in parts):
        return Estimate(mean, math.nan, 1)
    squares = [part.error**2 for part in parts]
    spread = sum(square**2 / part.freedom for square, part in zip(squares, parts, strict=True))
    freedom = int(sum(squares) ** 2 / spread) if spread else sum(part.freedom for part in parts)
    return Estimate(mean, math.sqrt(sum(squares)) / len(parts), freedom + 1)
