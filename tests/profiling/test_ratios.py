import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tgl.errors import TglError
from tgl.profiling.ratios import relative_norm

quick = settings(deadline=None, max_examples=50)
seeds = st.integers(0, 10**6)


def positive(seed, count, units=3):
    return np.random.default_rng(seed).lognormal(0, 0.5, (count, units))


@quick
@given(seeds, st.integers(2, 20), st.integers(2, 20), st.floats(0.01, 100))
def test_scaling_a_group_scales_its_ratio_and_interval(seed, count, other, scale):
    group, reference = positive(seed, count), positive(seed + 1, other)
    ratio, interval = relative_norm(group, reference, 100, 0)
    scaled, scaled_interval = relative_norm(group * scale, reference, 100, 0)
    assert scaled == pytest.approx(ratio * scale)
    assert scaled_interval == pytest.approx(interval * scale)
    inverse, _ = relative_norm(group, reference * scale, 100, 0)
    assert inverse == pytest.approx(ratio / scale)


@quick
@given(seeds, st.integers(2, 20))
def test_identical_groups_have_a_ratio_of_one(seed, count):
    group = positive(seed, count)
    ratio, interval = relative_norm(group, group.copy(), 100, 0)
    assert ratio == pytest.approx(np.ones(4))
    assert (interval[0] <= interval[1]).all()


@quick
@given(seeds)
def test_the_interval_contains_the_ratio_for_a_decent_number_of_examples(seed):
    ratio, (low, high) = relative_norm(positive(seed, 40), positive(seed + 1, 40), 500, 0)
    assert (low < ratio).all()
    assert (ratio < high).all()


def test_the_ratio_is_that_of_the_means_and_the_last_entry_the_mean_over_units():
    group, reference = np.array([[2.0, 8.0], [4.0, 4.0]]), np.array([[1.0, 4.0], [1.0, 1.0], [4.0, 1.0]])
    ratio, interval = relative_norm(group, reference, 100, 0)
    assert ratio == pytest.approx([1.5, 3.0, 2.25])
    assert interval.shape == (2, 3)


def test_examples_of_equal_norms_leave_no_uncertainty():
    ratio, interval = relative_norm(np.full((5, 2), 3.0), np.full((7, 2), 2.0), 100, 0)
    assert ratio == pytest.approx([1.5] * 3)
    assert interval == pytest.approx(np.full((2, 3), 1.5))


@quick
@given(seeds, st.permutations(range(8)))
def test_the_ratio_does_not_depend_on_the_order_of_examples(seed, order):
    group, reference = positive(seed, 8), positive(seed + 1, 9)
    ratio, _ = relative_norm(group, reference, 100, 0)
    assert relative_norm(group[list(order)], reference, 100, 0)[0] == pytest.approx(ratio)


def test_the_interval_follows_the_seed_only():
    arguments = positive(0, 10), positive(1, 10), 200
    one, again, other = (relative_norm(*arguments, seed)[1] for seed in (0, 0, 1))
    assert one.tolist() == again.tolist() != other.tolist()


def test_more_examples_give_a_narrower_interval():
    def width(count):
        _, (low, high) = relative_norm(positive(0, count), positive(1, count), 500, 0)
        return (high - low).mean()

    assert width(400) < 0.5 * width(25)


def test_the_interval_covers_the_true_ratio_about_as_often_as_it_says():
    # Groups of different sizes; the true ratio of means is 2 in each unit and so on average.
    covered = []
    for seed in range(200):
        group, reference = 2 * positive(2 * seed, 40), positive(2 * seed + 1, 60)
        _, (low, high) = relative_norm(group, reference, 300, seed)
        covered.append((low <= 2) & (high >= 2))
    share = np.mean(covered, axis=0)
    assert (share > 0.88).all()
    assert (share < 0.995).all()


def test_both_groups_are_resampled():
    exact, spread = np.full((20, 1), 2.0), positive(0, 20, 1)
    for group, reference in ((exact, spread), (spread, exact)):
        _, (low, high) = relative_norm(group, reference, 200, 0)
        assert (high - low > 0.1).all()


def test_a_reference_without_gradients_is_refused():
    with pytest.raises(TglError, match="gradients vanish"):
        relative_norm(np.ones((3, 2)), np.array([[1.0, 0.0], [1.0, 0.0]]), 100, 0)
