import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import spearmanr

from tgl.analysis.rank import agreement, rank_correlation

UNITS = 8
FLAT = np.ones((5, UNITS))
RISING = np.linspace(1, 3, UNITS)

pairs = st.integers(2, 12).flatmap(
    lambda size: st.tuples(
        *(
            arrays(float, size, elements=st.integers(-3, 3).map(float) | st.floats(-1e6, 1e6))
            for _ in range(2)
        )
    )
)


@settings(deadline=None, max_examples=200)
@given(pairs)
def test_the_rank_correlation_is_spearman_s_with_and_without_ties(pair):
    left, right = pair
    found = rank_correlation(left, right)
    if np.ptp(left) == 0 or np.ptp(right) == 0:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(spearmanr(left, right).statistic, abs=1e-12)


def test_leading_axes_are_correlated_row_by_row():
    rng = np.random.default_rng(0)
    left, right = rng.normal(size=(2, 3, 4, 6)).round(1)
    left[1, 2] = 7.0
    found = rank_correlation(left, right)
    assert found.shape == (3, 4)
    for place in np.ndindex(3, 4):
        if place == (1, 2):
            assert np.isnan(found[place])
        else:
            assert found[place] == pytest.approx(spearmanr(left[place], right[place]).statistic)


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("sign", [1, -1])
def test_equal_and_reversed_orders_without_noise_have_no_interval(paired, sign):
    norms = np.tile(RISING, (6, 1))
    other = sign * RISING**3
    found = agreement(
        norms, FLAT, np.tile(other, (6, 1)) if paired else other, resamples=200, seed=0, paired=paired
    )
    assert (found.value, found.low, found.high) == pytest.approx((sign, sign, sign))


def test_the_ratio_is_compared_and_not_the_norm():
    norms = np.tile(RISING, (6, 1))
    reference = np.tile(RISING**2, (4, 1))  # the ratio falls where the norm rises
    assert agreement(norms, reference, RISING, resamples=100, seed=0, paired=False).value == pytest.approx(-1)


def test_the_value_is_that_of_the_means_over_examples():
    rng = np.random.default_rng(1)
    norms, reference, other = rng.lognormal(size=(3, 9, UNITS))
    expected = spearmanr(norms.mean(0) / reference.mean(0), other.mean(0)).statistic
    assert agreement(norms, reference, other, resamples=100, seed=0, paired=True).value == pytest.approx(
        expected
    )
    fixed = spearmanr(norms.mean(0) / reference.mean(0), other[0]).statistic
    assert agreement(norms, reference, other[0], resamples=100, seed=0, paired=False).value == pytest.approx(
        fixed
    )


def test_a_constant_measure_has_no_correlation_and_no_interval():
    norms = np.random.default_rng(0).lognormal(size=(6, UNITS))
    found = agreement(norms, FLAT, np.ones(UNITS), resamples=100, seed=0, paired=False)
    assert np.isnan([found.value, found.low, found.high]).all()


def shares_containing(centre, norms_of, simulations=150):
    """Return the share of simulated intervals that contain `centre`."""
    hits = 0
    for seed in range(simulations):
        norms, other = norms_of(np.random.default_rng(seed))
        found = agreement(norms, FLAT, other, resamples=200, seed=seed, paired=True)
        assert -1 <= found.low <= found.high <= 1
        hits += found.low <= centre <= found.high
    return hits / simulations


def test_intervals_of_independent_noise_contain_zero():
    share = shares_containing(0, lambda rng: (rng.lognormal(size=(20, UNITS)), rng.normal(size=(20, UNITS))))
    assert share >= 0.93


def test_intervals_of_a_common_order_do_not_contain_zero():
    def drawn(rng):
        noise = rng.lognormal(sigma=0.2, size=(20, UNITS))
        return RISING * noise, RISING + rng.normal(scale=0.5, size=(20, UNITS))

    assert shares_containing(0, drawn) <= 0.02


def test_intervals_narrow_with_the_number_of_facts():
    widths = []
    for count in (10, 1000):
        rng = np.random.default_rng(3)
        norms = RISING * rng.lognormal(sigma=0.5, size=(count, UNITS))
        other = RISING + rng.normal(scale=1.0, size=(count, UNITS))
        found = agreement(norms, np.ones((count, UNITS)), other, resamples=300, seed=0, paired=True)
        widths.append(found.high - found.low)
    assert widths[1] < widths[0] / 3


def test_paired_facts_are_resampled_together():
    """Facts differ wildly and both measures follow them: only the same facts on both sides always agree."""
    norms = np.random.default_rng(2).lognormal(sigma=2, size=(12, UNITS))
    found = agreement(norms, FLAT, norms * 2 + 1, resamples=300, seed=0, paired=True)
    assert (found.value, found.low, found.high) == pytest.approx((1, 1, 1))
    held = agreement(norms, FLAT, norms.mean(0), resamples=300, seed=0, paired=False)
    assert held.value == pytest.approx(1)
    assert held.low < 0.7


def test_examples_of_the_reference_are_resampled_too():
    norms = np.tile(RISING, (6, 1))
    reference = np.random.default_rng(4).lognormal(sigma=2, size=(6, UNITS))
    found = agreement(norms, reference, RISING, resamples=300, seed=0, paired=False)
    assert found.high - found.low > 0.3
    one = agreement(norms, reference[:1], RISING, resamples=300, seed=0, paired=False)
    assert one.high == pytest.approx(one.low)


def test_norms_and_reference_are_not_resampled_with_the_same_counts():
    """They are other examples: with equal arrays the ratio is one only where the resamples are."""
    norms = np.random.default_rng(5).lognormal(sigma=1, size=(6, UNITS))
    found = agreement(norms, norms, RISING, resamples=300, seed=0, paired=False)
    assert np.isnan(found.value)
    assert found.low < found.high


def test_the_same_seed_gives_the_same_interval_and_another_another():
    rng = np.random.default_rng(6)
    norms, other = rng.lognormal(size=(2, 9, UNITS))
    one = agreement(norms, FLAT, other, resamples=200, seed=0, paired=True)
    assert one == agreement(norms, FLAT, other, resamples=200, seed=0, paired=True)
    assert one != agreement(norms, FLAT, other, resamples=200, seed=1, paired=True)


@settings(deadline=None, max_examples=30)
@given(st.floats(0.01, 100), st.floats(0.01, 100))
def test_scales_do_not_matter(scale, other_scale):
    rng = np.random.default_rng(7)
    norms, other = rng.lognormal(size=(2, 9, UNITS))
    one = agreement(norms, FLAT, other, resamples=100, seed=0, paired=True)
    two = agreement(norms * scale, FLAT * 2, other * other_scale, resamples=100, seed=0, paired=True)
    assert (two.value, two.low, two.high) == pytest.approx((one.value, one.low, one.high))
