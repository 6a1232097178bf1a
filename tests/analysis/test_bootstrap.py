"""Intervals over seeds and subjects: by hand where there is a formula, by simulated worlds where there is none."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tgl.analysis.bootstrap import draw, mean_estimate, pooled


def over_seeds(numbers):
    """Return the estimate of one number a seed."""
    return mean_estimate(np.array(numbers, dtype=float)[:, None], np.ones(1), 100, seed=0)


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
    assert mean_estimate(7 * numbers, np.array([7.0]), 100, seed=0) == mean_estimate(
        numbers, np.ones(1), 100, seed=0
    )


@pytest.mark.parametrize("level", [0.9, 0.95, 0.999])
def test_the_p_value_crosses_where_the_interval_touches_zero(level):
    rng = np.random.default_rng(0)
    found = mean_estimate(crossed(rng, 5, 30), np.ones(30), 500, seed=0)
    low, high = found.interval(level)
    assert ((low <= 0 <= high) is True) == (found.p_value() >= 1 - level)
    assert high - found.mean == pytest.approx(found.mean - low)


def test_larger_subjects_count_more():
    sums, weights = np.array([[3.0, 10.0], [3.0, 14.0]]), np.array([3.0, 1.0])
    assert mean_estimate(sums, weights, 100, seed=0).mean == pytest.approx((1.0 * 6 + 10 + 14) / 8)


def test_a_seed_without_a_run_is_left_out_and_not_counted():
    table = crossed(np.random.default_rng(1), 4, 20)
    holed = np.vstack([table, np.full((1, 20), np.nan)])
    assert mean_estimate(holed, np.ones(20), 300, seed=0) == mean_estimate(table, np.ones(20), 300, seed=0)


@pytest.mark.parametrize("num_seeds", [0, 1])
def test_below_two_seeds_there_is_no_interval_however_many_subjects(num_seeds):
    found = mean_estimate(np.ones((num_seeds, 5)), np.ones(5), 100, seed=0)
    assert found.num_seeds == num_seeds
    assert all(math.isnan(number) for number in (*found.interval(), found.p_value()))
    assert math.isnan(found.mean) == (num_seeds == 0)


def test_no_difference_at_all_has_a_p_value_of_one():
    found = mean_estimate(np.zeros((3, 5)), np.ones(5), 100, seed=0)
    assert (found.interval(), found.p_value()) == ((0.0, 0.0), 1.0)


def test_the_same_call_gives_the_same_interval():
    table = crossed(np.random.default_rng(2), 4, 20)
    assert mean_estimate(table, np.ones(20), 300, seed=0) == mean_estimate(table, np.ones(20), 300, seed=0)


@pytest.mark.parametrize("axis", [0, 1])
def test_the_order_of_seeds_or_subjects_changes_nothing_but_resampling_noise(axis):
    rng = np.random.default_rng(3)
    table = crossed(rng, 6, 40)
    one = mean_estimate(table, np.ones(40), 4000, seed=0)
    other = mean_estimate(rng.permutation(table, axis=axis), np.ones(40), 4000, seed=0)
    assert other.mean == pytest.approx(one.mean)
    assert other.error == pytest.approx(one.error, rel=0.08)


def test_with_effects_of_seeds_alone_the_error_is_that_of_a_mean_over_seeds():
    table = crossed(np.random.default_rng(4), 8, 40, subject=0, both=0)
    found = mean_estimate(table, np.ones(40), 4000, seed=0)
    assert found.error == pytest.approx(stats.sem(table[:, 0]), rel=0.08)


def test_of_few_seeds_the_error_is_no_smaller_than_that_of_a_mean_over_them():
    # A bootstrap of three seeds without widening gives 0.82 of it.
    table = crossed(np.random.default_rng(8), 3, 40, subject=0, both=0)
    found = mean_estimate(table, np.ones(40), 8000, seed=0)
    assert found.error == pytest.approx(stats.sem(table[:, 0]), rel=0.05)


def test_of_few_subjects_the_error_is_no_smaller_than_that_of_a_mean_over_them():
    table = crossed(np.random.default_rng(9), 8, 3, seed=0, both=0)
    found = mean_estimate(table, np.ones(3), 8000, seed=0)
    assert found.error == pytest.approx(stats.sem(table[0]), rel=0.05)
    low, high = found.interval()
    assert (high - low) / 2 == pytest.approx(stats.t.ppf(0.975, 2) * found.error)


@settings(deadline=None, derandomize=True, max_examples=50)
@given(st.floats(-50, 50), st.floats(0.1, 20))
def test_an_amount_added_to_all_probes_moves_the_interval_and_a_factor_stretches_it(amount, factor):
    table, weights = crossed(np.random.default_rng(10), 4, 12), np.arange(1.0, 13.0)
    one = mean_estimate(table, weights, 200, seed=0)
    other = mean_estimate(factor * table + amount * weights, weights, 200, seed=0)
    assert other.interval() == pytest.approx([amount + factor * limit for limit in one.interval()], abs=1e-8)


def test_subjects_that_differ_widen_the_interval_even_where_seeds_agree():
    table = crossed(np.random.default_rng(5), 8, 40, seed=0, both=0)
    found = mean_estimate(table, np.ones(40), 4000, seed=0)
    assert found.error >= 0.95 * stats.sem(table[0])


@pytest.mark.parametrize("num_seeds", [4, 8])
@pytest.mark.parametrize("effects", [(1.0, 1.0, 1.0), (0.1, 1.0, 1.0), (1.0, 0.3, 0.3)])
def test_the_interval_holds_the_truth_as_often_as_it_says(num_seeds, effects):
    seed, subject, both = effects
    rng = np.random.default_rng(6)
    covered = 0
    for _ in range(200):
        table = crossed(rng, num_seeds, 40, seed / math.sqrt(5), subject, both)
        low, high = mean_estimate(table, np.ones(40), 400, seed=0).interval()
        covered += low <= 0 <= high
    assert covered / 200 >= 0.92


def test_with_few_subjects_the_interval_still_holds_the_truth():
    rng = np.random.default_rng(7)
    covered = 0
    for _ in range(200):
        low, high = mean_estimate(crossed(rng, 8, 4, 0.3, 1.0, 0.3), np.ones(4), 400, seed=0).interval()
        covered += low <= 0 <= high
    assert covered / 200 >= 0.92


def test_every_resample_draws_as_many_as_there_are():
    drawn = draw(3, 7, 50, seed=0)
    assert drawn.seeds.shape == (50, 3)
    assert drawn.clusters.shape == (50, 7)
    assert set(drawn.seeds.sum(1)) == {3.0}
    assert set(drawn.clusters.sum(1)) == {7.0}


def spread_over_seeds(mean, error, num_seeds):
    """Return the estimate of numbers with this mean and standard error."""
    numbers = stats.zscore(np.arange(num_seeds), ddof=1) * error * math.sqrt(num_seeds) + mean
    return over_seeds(numbers)


def test_pooled_worlds_by_hand():
    found = pooled([spread_over_seeds(1.0, 0.3, 4), spread_over_seeds(3.0, 0.4, 4)])
    # Welch and Satterthwaite: (0.09 + 0.16)^2 / (0.09^2 / 3 + 0.16^2 / 3) = 5.56
    assert found.mean == pytest.approx(2.0)
    assert found.error == pytest.approx(0.25)
    half = stats.t.ppf(0.975, 5) * 0.25
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
