"""How many seeds a difference needs: against simulated experiments, and at the ends."""

import math

import numpy as np
import pytest
from scipy import stats

from tgl.analysis.power import seeds_needed


def simulated(num_seeds, spread, effect, trials=20_000):
    """Return how often a paired t test sees a difference of log(1 + effect)."""
    rng = np.random.default_rng(0)
    apart = rng.normal(math.log1p(effect), spread, size=(trials, num_seeds))
    return (stats.ttest_1samp(apart, 0, axis=1).pvalue < 0.05).mean()


@pytest.mark.parametrize(("spread", "effect"), [(0.05, 0.05), (0.1, 0.05), (0.1, 0.2)])
def test_so_many_seeds_see_it_and_fewer_do_not(spread, effect):
    found = seeds_needed(spread, effect)
    assert simulated(found, spread, effect) >= 0.79
    assert simulated(found - 1, spread, effect) < 0.81
    assert simulated(math.floor(0.8 * found), spread, effect) < 0.8


def test_more_spread_needs_more_seeds_and_a_larger_effect_fewer():
    by_spread = [seeds_needed(spread) for spread in (1e-9, 1e-4, 0.01, 0.03, 0.1, 0.3, 1.0)]
    assert by_spread == sorted(by_spread)
    assert by_spread[0] == 2
    by_effect = [seeds_needed(0.1, effect) for effect in (0.02, 0.05, 0.1, 0.5)]
    assert by_effect == sorted(by_effect, reverse=True)
    assert seeds_needed(0.1, power=0.9) > seeds_needed(0.1, power=0.8)


def test_seeds_that_agree_exactly_need_two():
    assert seeds_needed(0.0) == 2


@pytest.mark.parametrize("spread", [math.nan, math.inf, 1e6])
def test_what_cannot_be_known_or_paid_is_none(spread):
    assert seeds_needed(spread) is None
