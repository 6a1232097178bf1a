"""Intervals over seeds and subjects: by hand where there is a formula, by simulated worlds where there is none."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tgl.analysis.crossed import Estimate, from_influence, mean_estimate, pooled


def over_seeds(numbers):
    """Return the estimate of one number a seed."""
    return mean_estimate(np.array(numbers, dtype=float)[:, None], np.ones(1))


def crossed(rng, num_seeds, num_subjects, seed=1.0, subject=1.0, both=1.0):
    """Return a table [seeds, subjects] of mean zero with effects of seeds, of subjects and of both together."""
    return (
        seed * rng.normal(size=(num_seeds, 1))
        + subject * rng.normal(size=(1, num_subjects))
        + both * rng.normal(size=(num_seeds, num_subjects))
    )


def test_the_interval_of_one_cluster_is_student_s_by_hand():
    found = over_seeds([1.0, 2.0, 3.0])
    half = 4.302653 / math.sqrt(3)  # t of 2 degrees of freedom, standard deviation 1
    assert found.interval() == pytest.approx((2 - half, 2 + half), abs=1e-5)


def test_weights_of_a_cluster_do_not_change_what_one_cluster_says():
    numbers = np.array([[1.0], [2.0], [4.0]])
    one, other = mean_estimate(7 * numbers, np.array([7.0])), mean_estimate(numbers, np.ones(1))
    assert (one.mean, one.error, one.freedom) == pytest.approx((other.mean, other.error, other.freedom))


@pytest.mark.parametrize("level", [0.9, 0.95, 0.999])
def test_the_p_value_crosses_where_the_interval_touches_zero(level):
    rng = np.random.default_rng(0)
    found = mean_estimate(crossed(rng, 5, 30), np.ones(30))
    low, high = found.interval(level)
    assert ((low <= 0 <= high) is True) == (found.p_value() >= 1 - level)
    assert high - found.mean == pytest.approx(found.mean - low)


def test_larger_subjects_count_more():
    sums, weights = np.array([[3.0, 10.0], [3.0, 14.0]]), np.array([3.0, 1.0])
    assert mean_estimate(sums, weights).mean == pytest.approx((1.0 * 6 + 10 + 14) / 8)


def test_a_seed_without_a_run_is_left_out_and_not_counted():
    table = crossed(np.random.default_rng(1), 4, 20)
    holed = np.vstack([table, np.full((1, 20), np.nan)])
    assert mean_estimate(holed, np.ones(20)) == mean_estimate(table, np.ones(20))


@pytest.mark.parametrize("num_seeds", [0, 1])
def test_below_two_seeds_there_is_no_interval_however_many_subjects(num_seeds):
    found = mean_estimate(np.ones((num_seeds, 5)), np.ones(5))
    assert found.num_seeds == num_seeds
    assert all(math.isnan(number) for number in (*found.interval(), found.p_value()))
    assert math.isnan(found.mean) == (num_seeds == 0)


def test_no_difference_at_all_has_a_p_value_of_one():
    found = mean_estimate(np.zeros((3, 5)), np.ones(5))
    assert (found.interval(), found.p_value()) == ((0.0, 0.0), 1.0)


def test_the_same_call_gives_the_same_interval():
    table = crossed(np.random.default_rng(2), 4, 20)
    assert mean_estimate(table, np.ones(20)) == mean_estimate(table, np.ones(20))


@pytest.mark.parametrize("axis", [0, 1])
def test_the_order_of_seeds_or_subjects_changes_nothing(axis):
    rng = np.random.default_rng(3)
    table = crossed(rng, 6, 40)
    one = mean_estimate(table, np.ones(40))
    other = mean_estimate(rng.permutation(table, axis=axis), np.ones(40))
    assert (other.mean, other.error, other.freedom) == pytest.approx((one.mean, one.error, one.freedom))


def test_the_variance_is_that_of_the_components_by_hand():
    """Mean squares of a table of two seeds and three subjects, from its sums."""
    table = np.array([[1.0, 2.0, 6.0], [3.0, 8.0, 10.0]])
    seeds = 3 * ((3 - 5) ** 2 + (7 - 5) ** 2) / 1  # mean square of seeds: 24
    subjects = 2 * ((2 - 5) ** 2 + 0 + (8 - 5) ** 2) / 2  # of subjects: 18
    rest = np.array([[1, -1, 0], [-1, 1, 0]])
    both = (rest**2).sum() / 2  # of the rest: 2
    found = mean_estimate(table, np.ones(3))
    assert found.mean == 5
    assert found.error**2 == pytest.approx((seeds + subjects - both) / 6)
    freedom = (seeds + subjects - both) ** 2 / (seeds**2 / 1 + subjects**2 / 2 + both**2 / 2)
    assert freedom > 1
    assert found.freedom == 1  # two seeds have no more


@pytest.mark.parametrize(("num_seeds", "num_subjects"), [(8, 40), (3, 40), (8, 3)])
def test_with_effects_of_one_side_alone_the_interval_is_that_of_a_mean_over_it(num_seeds, num_subjects):
    table = crossed(np.random.default_rng(4), num_seeds, num_subjects, subject=0, both=0)
    found = mean_estimate(table, np.ones(num_subjects))
    assert found.error == pytest.approx(stats.sem(table[:, 0]))
    most = (min(num_seeds, num_subjects) - 1) ** 2
    assert found.freedom == pytest.approx(min(num_seeds - 1, most))
    turned = mean_estimate(table.T, np.ones(num_seeds))
    assert (turned.error, turned.freedom) == pytest.approx((found.error, found.freedom))


@settings(deadline=None, derandomize=True, max_examples=50)
@given(st.floats(-50, 50), st.floats(0.1, 20))
def test_an_amount_added_to_all_probes_moves_the_interval_and_a_factor_stretches_it(amount, factor):
    table, weights = crossed(np.random.default_rng(10), 4, 12), np.arange(1.0, 13.0)
    one = mean_estimate(table, weights)
    other = mean_estimate(factor * table + amount * weights, weights)
    assert other.interval() == pytest.approx([amount + factor * limit for limit in one.interval()], abs=1e-8)


REGIMES = {
    "seeds": (1.0, 0.0, 0.01), "subjects": (0.0, 1.0, 0.01), "all": (1.0, 1.0, 1.0), "mostly both": (0.3, 0.3, 3.0),
    "few effects of seeds": (0.1, 1.0, 1.0), "few effects of subjects": (1.0, 0.1, 1.0), "noise": (0.0, 0.0, 1.0),
}  # fmt: skip
WORLDS = 1000


@pytest.mark.parametrize(("num_seeds", "num_subjects"), [(4, 20), (8, 80)])
@pytest.mark.parametrize("effects", REGIMES.values(), ids=REGIMES)
def test_the_interval_holds_the_truth_as_often_as_it_says(num_seeds, num_subjects, effects):
    """The coverage of 95 % intervals is 0.95 within Monte-Carlo error (three standard errors, 0.02) and that of the
    approximate degrees of freedom. Noise alone is where a component that is left out makes it too wide."""
    rng = np.random.default_rng(6)
    covered = 0
    for _ in range(WORLDS):
        low, high = mean_estimate(
            crossed(rng, num_seeds, num_subjects, *effects), np.ones(num_subjects)
        ).interval()
        covered += low <= 0 <= high
    wide = effects in (REGIMES["noise"], REGIMES["mostly both"]) or num_seeds == 4
    most = 0.995 if wide else 0.97
    # A few seeds with as much effect as a few subjects leave few degrees of freedom; there 0.93 occurs.
    assert 0.925 <= covered / WORLDS <= most


def test_a_bootstrap_of_seeds_and_subjects_would_be_too_wide():
    """Why the components: the pigeonhole bootstrap counts the rest three times, with the fewest degrees of freedom."""
    rng = np.random.default_rng(7)
    table = crossed(rng, 8, 40, 0.1, 0.3, 1.0)
    counts = [rng.multinomial(size, np.full(size, 1 / size), size=4000) for size in table.shape]
    means = (counts[0] @ table * counts[1]).sum(1) / table.size
    assert means.std(ddof=1) > 1.2 * mean_estimate(table, np.ones(40)).error


def test_an_influence_of_nothing_has_no_error():
    assert from_influence(2.0, np.zeros((3, 4))).interval() == (2.0, 2.0)


def test_equivalence_needs_the_whole_interval_of_90_percent_inside_the_margin():
    found = Estimate(0.1, 0.05, 8, 7)
    half = stats.t.ppf(0.95, 7) * 0.05
    assert found.equivalent(0.1 + half + 1e-9)
    assert not found.equivalent(0.1 + half - 1e-9)
    assert not Estimate(0.0, math.nan, 1).equivalent(10.0)


def spread_over_seeds(mean, error, num_seeds):
    """Return the estimate of numbers with this mean and standard error."""
    numbers = stats.zscore(np.arange(num_seeds), ddof=1) * error * math.sqrt(num_seeds) + mean
    return over_seeds(numbers)


def test_pooled_worlds_by_hand():
    found = pooled([spread_over_seeds(1.0, 0.3, 4), spread_over_seeds(3.0, 0.4, 4)])
    # Welch and Satterthwaite: (0.09 + 0.16)^2 / (0.09^2 / 3 + 0.16^2 / 3) = 5.56
    assert found.mean == pytest.approx(2.0)
    assert found.error == pytest.approx(0.25)
    half = stats.t.ppf(0.975, 0.25**2 / (0.09**2 / 3 + 0.16**2 / 3)) * 0.25
    assert found.interval() == pytest.approx((2 - half, 2 + half))


def test_one_world_with_a_single_seed_leaves_the_pool_without_an_interval():
    found = pooled([spread_over_seeds(1.0, 0.3, 4), over_seeds([3.0])])
    assert found.mean == pytest.approx(2.0)
    assert all(math.isnan(number) for number in (*found.interval(), found.p_value()))


def test_pooling_worlds_narrows_the_interval_and_one_world_alone_stays_as_it_is():
    one = spread_over_seeds(1.0, 0.3, 4)
    assert pooled([one]).interval() == pytest.approx(one.interval())
    low, high = pooled([one] * 4).interval()
    assert high - low < (one.interval()[1] - one.interval()[0]) / 2


def test_worlds_without_any_spread_pool_without_failing():
    found = pooled([over_seeds([1.0, 1.0]), over_seeds([1.0, 1.0])])
    assert found.interval() == (1.0, 1.0)
