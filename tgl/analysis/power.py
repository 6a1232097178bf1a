"""Compute how many seeds are needed to detect a difference."""

from __future__ import annotations

import math

from scipy import stats

SMALLEST_EFFECT = 0.05  # A difference of 5 % in perplexity.
POWER = 0.8
MOST_SEEDS = 10_000


def seeds_needed(spread: float, effect: float = SMALLEST_EFFECT, power: float = POWER) -> int | None:
    """Return the number of seeds with which a paired t test (two-sided, 5 %) detects a ratio of 1 + effect.

    Args:
        spread: Standard deviation over seeds of the paired difference of log perplexities, for the same probes.
        effect: Smallest relative difference to detect.
        power: Probability of detecting it.

    Returns:
        The number of seeds, at least 2. None if the spread is unknown or 10,000 seeds are not enough.
    """
    return number_needed(spread, abs(math.log1p(effect)), power)


def number_needed(spread: float, shift: float, power: float = POWER) -> int | None:
    """Return the number of seeds or replicates with which a paired t test (two-sided, 5 %) detects a difference.

    Args:
        spread: Standard deviation of the paired difference over them.
        shift: The difference to detect, at least 0, in the same unit.
        power: Probability of detecting it.

    Returns:
        The number, at least 2. None if the spread is unknown, the difference is 0 or 10,000 are not enough.
    """
    if not math.isfinite(spread) or shift == 0:
        return None
    if shift > 100 * spread:  # Two are enough, and scipy's distribution has no value that far out.
        return 2
    low, high = 2, MOST_SEEDS
    if _power(high, shift / spread) < power:
        return None
    while low < high:
        middle = (low + high) // 2
        if _power(middle, shift / spread) >= power:
            high = middle
        else:
            low = middle + 1
    return low


def _power(num_seeds: int, standardised: float) -> float:
    """Return the power of the test for a shift given in standard deviations."""
    limit = stats.t.ppf(0.975, num_seeds - 1)
    return float(stats.nct.sf(limit, num_seeds - 1, standardised * math.sqrt(num_seeds)))
