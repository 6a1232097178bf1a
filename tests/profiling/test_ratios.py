import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tgl.core.errors import TglError
from tgl.profiling.ratios import paired_difference, relative_norm

quick = settings(deadline=None, max_examples=50)
seeds = st.integers(0, 10**6)


def positive(seed, count, units=3):
    return np.random.default_rng(seed).lognormal(0, 0.5, (count, units))


@quick
@given(seeds, st.integers(2, 20), st.integers(2, 20), st.floats(0.01, 100))
def test_scaling_a_group_scales_its_ratio_and_interval(seed, count, other, scale):
    group, reference = positive(seed, count), positive(seed + 1, other)
    found = relative_norm(group, reference, 100, seed=0)
    scaled = relative_norm(group * scale, reference, 100, seed=0)
    for name in ("ratio", "low", "high"):
        assert getattr(scaled, name) == pytest.approx(getattr(found, name) * scale)
    assert scaled.above_mean[:-1] == pytest.approx(found.above_mean[:-1], abs=0.011)  # ties by rounding
    assert relative_norm(group, reference * scale, 100, seed=0).ratio == pytest.approx(found.ratio / scale)


@quick
@given(seeds, st.integers(2, 20))
def test_identical_groups_have_a_ratio_of_one(seed, count):
    group = positive(seed, count)
    found = relative_norm(group, group.copy(), 100, seed=0)
    assert found.ratio == pytest.approx(np.ones(4))
    assert (found.low <= found.high).all()


@quick
@given(seeds)
def test_the_interval_contains_the_ratio_for_a_decent_number_of_examples(seed):
    found = relative_norm(positive(seed, 40), positive(seed + 1, 40), 500, seed=0)
    assert (found.low < found.ratio).all()
    assert (found.ratio < found.high).all()


def test_the_ratio_is_that_of_the_means_and_the_last_entry_the_mean_over_units():
    group, reference = np.array([[2.0, 8.0], [4.0, 4.0]]), np.array([[1.0, 4.0], [1.0, 1.0], [4.0, 1.0]])
    found = relative_norm(group, reference, 100, seed=0)
    assert found.ratio == pytest.approx([1.5, 3.0, 2.25])
    assert found.low.shape == found.high.shape == found.above_mean.shape == (3,)


def test_examples_of_equal_norms_leave_no_uncertainty():
    found = relative_norm(np.full((5, 2), 3.0), np.full((7, 2), 2.0), 100, seed=0)
    for limit in (found.ratio, found.low, found.high):
        assert limit == pytest.approx([1.5] * 3)


@quick
@given(seeds, st.permutations(range(8)))
def test_the_ratio_does_not_depend_on_the_order_of_examples(seed, order):
    group, reference = positive(seed, 8), positive(seed + 1, 9)
    expected = relative_norm(group, reference, 100, seed=0).ratio
    assert relative_norm(group[list(order)], reference, 100, seed=0).ratio == pytest.approx(expected)


def test_the_interval_follows_the_seed_only():
    arguments = positive(0, 10), positive(1, 10), 200
    one, again, other = (relative_norm(*arguments, seed=seed).low for seed in (0, 0, 1))
    assert one.tolist() == again.tolist() != other.tolist()


def test_more_examples_give_a_narrower_interval():
    def width(count):
        found = relative_norm(positive(0, count), positive(1, count), 500, seed=0)
        return (found.high - found.low).mean()

    assert width(400) < 0.5 * width(25)


def test_the_interval_covers_the_true_ratio_about_as_often_as_it_says():
    # Groups of different sizes; the true ratio of means is 2 in each unit and so on average.
    covered = []
    for seed in range(200):
        found = relative_norm(2 * positive(2 * seed, 40), positive(2 * seed + 1, 60), 300, seed=seed)
        covered.append((found.low <= 2) & (found.high >= 2))
    share = np.mean(covered, axis=0)
    assert (share > 0.88).all()
    assert (share < 0.995).all()


def test_both_groups_are_resampled():
    exact, spread = np.full((20, 1), 2.0), positive(0, 20, 1)
    for group, reference in ((exact, spread), (spread, exact)):
        found = relative_norm(group, reference, 200, seed=0)
        assert (found.high - found.low > 0.1).all()


def test_above_mean_says_how_surely_a_unit_lies_above_the_mean_of_units():
    # Units 0 and 1 differ by far more than chance, unit 2 lies about where the mean is.
    group = positive(0, 400) * [2.0, 1.0, 1.5]
    found = relative_norm(group, positive(0, 400), 400, seed=0).above_mean
    assert found[0] == 1
    assert found[1] == 0
    assert 0.02 < found[2] < 0.98
    assert np.isnan(found[3])


@quick
@given(seeds)
def test_of_two_units_one_is_above_their_mean(seed):
    found = relative_norm(positive(seed, 9, 2), positive(seed + 1, 9, 2), 200, seed=0).above_mean
    assert found[0] + found[1] == pytest.approx(1)


def test_a_reference_without_gradients_is_refused():
    for value in (0.0, np.nan):
        with pytest.raises(TglError, match="gradients of unit 1 vanish"):
            relative_norm(np.ones((3, 2)), np.array([[1.0, value], [1.0, value]]), 100, seed=0)


@quick
@given(seeds, st.integers(2, 12), st.integers(1, 5))
def test_identical_paired_groups_differ_nowhere(seed, count, units):
    found = paired_difference(positive(seed, count, units), positive(seed, count, units), 100, seed=0)
    for name, values in vars(found).items():
        assert values.tolist() == [1.0] * (units + 1), name


@quick
@given(seeds, st.integers(2, 12), st.floats(0.01, 100))
def test_scaling_one_side_changes_the_level_and_not_the_shape(seed, count, scale):
    left, right = positive(seed, count), positive(seed + 1, count)
    found, scaled = (paired_difference(left, side, 100, seed=0) for side in (right, right * scale))
    for name in ("ratio", "low", "high"):
        assert getattr(scaled, name) == pytest.approx(getattr(found, name) / scale)
    for name in ("shape_ratio", "shape_low", "shape_high"):
        assert getattr(scaled, name) == pytest.approx(getattr(found, name))
    assert scaled.shape_p_value == pytest.approx(found.shape_p_value, abs=0.011)  # ties by rounding
    whole = paired_difference(left, left * scale, 100, seed=0)
    assert whole.ratio == pytest.approx(np.full(4, 1 / scale))
    assert whole.shape_ratio == pytest.approx(np.ones(4))


def test_the_ratio_is_the_geometric_mean_over_pairs_and_the_last_that_of_the_mean_over_units():
    left, right = np.array([[2.0, 8.0], [8.0, 2.0]]), np.array([[1.0, 1.0], [1.0, 1.0]])
    left[1, 1] = 8.0
    found = paired_difference(left, right, 100, seed=0)
    assert found.ratio == pytest.approx([4.0, 8.0, 32**0.5])
    # Without the pairs' own levels, 4 and 8:
    assert found.shape_ratio == pytest.approx([(2 / 4 * 8 / 8) ** 0.5, (8 / 4 * 8 / 8) ** 0.5, 1.0])


def test_the_intervals_hold_the_ratios_and_swapping_the_sides_inverts_them():
    left, right = positive(0, 30), positive(1, 30)
    found, swapped = paired_difference(left, right, 300, seed=0), paired_difference(right, left, 300, seed=0)
    assert (found.low < found.ratio).all()
    assert (found.ratio < found.high).all()
    assert swapped.ratio == pytest.approx(1 / found.ratio)
    assert swapped.low == pytest.approx(1 / found.high)
    assert swapped.shape_high[:-1] == pytest.approx(1 / found.shape_low[:-1])
    assert swapped.p_value == pytest.approx(found.p_value)


def test_pairs_are_compared_and_not_groups():
    # Examples differ a hundredfold, the sides of each pair by a tenth.
    level = np.geomspace(0.1, 10, 12)[:, None] * np.ones(3)
    noise = np.exp(np.random.default_rng(0).normal(0, 0.02, (12, 3)))
    found = paired_difference(1.1 * level * noise, level, 500, seed=0)
    assert (found.p_value < 0.02).all()
    assert (found.low > 1.05).all()
    assert (found.high < 1.15).all()


def test_one_unit_that_deviates_is_found_by_shape_where_the_level_of_pairs_hides_it():
    rng = np.random.default_rng(0)
    right = positive(1, 25, 8)
    left = right * np.exp(rng.normal(0, 0.2, (25, 8)) + rng.normal(0, 1.5, (25, 1)))
    left[:, 5] *= 1.6
    found = paired_difference(left, right, 999, seed=0)
    assert found.shape_p_value[5] <= 0.002
    assert found.shape_p_value[:-1].argmin() == 5
    assert found.shape_ratio[5] == pytest.approx(1.6 ** (7 / 8), rel=0.15)
    assert found.shape_low[5] > 1.2
    # The level varies fourfold from pair to pair: without dividing it out, no unit is seen.
    assert (found.p_value > 0.05).all()


def test_without_any_difference_some_unit_is_found_in_about_one_of_twenty_trials():
    # Correlated units; 600 trials put 5 % between 3.2 and 6.8 % with two standard errors, three leave room.
    trials, shape, level = 600, 0, 0
    for seed in range(trials):
        rng = np.random.default_rng(seed)
        logs = rng.standard_t(4, (12, 6)) * 0.3 + rng.normal(0, 0.3, (12, 1))
        found = paired_difference(np.exp(logs), np.ones((12, 6)), 200, seed=seed)
        level += found.p_value[:-1].min() < 0.05
        shape += found.shape_p_value[:-1].min() < 0.05
    assert 0.015 < level / trials < 0.077
    assert 0.015 < shape / trials < 0.077


def test_p_values_are_never_zero_and_at_most_one():
    found = paired_difference(np.full((30, 4), 100.0) * positive(0, 30, 4), np.ones((30, 4)), 100, seed=0)
    assert found.p_value == pytest.approx(np.full(5, 1 / 101))
    assert (found.shape_p_value <= 1).all()


@pytest.mark.parametrize(
    ("left", "right"), [((1, 3), (1, 3)), ((0, 3), (0, 3)), ((3, 3), (4, 3)), ((3, 3), (3, 2))]
)
def test_too_few_pairs_and_groups_that_do_not_match_are_refused(left, right):
    with pytest.raises(TglError, match="at least two pairs expected"):
        paired_difference(np.ones(left), np.ones(right), 100, seed=0)


@pytest.mark.parametrize("value", [0.0, np.nan, -1.0])
@pytest.mark.parametrize("side", [0, 1])
def test_a_norm_without_a_logarithm_is_refused(value, side):
    sides = [np.ones((3, 2)), np.ones((3, 2))]
    sides[side][1, 1] = value
    with pytest.raises(TglError, match="its logarithm does not exist"):
        paired_difference(*sides, 100, seed=0)
