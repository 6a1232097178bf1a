"""Forgetting at equal uptake: on curves whose answer is known, and in simulated worlds."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.analysis.curve_world import curves_of, world
from tgl.analysis.uptake import (
    Curves,
    at_rates,
    best_rate,
    compared,
    forgetting_at,
    level_of,
    most_learned,
    rate_of_each_seed,
)

NAN = math.nan


def at(uptake, forgetting, level):
    return float(forgetting_at(np.array(uptake), np.array(forgetting), level))


def test_a_curve_is_read_between_its_measured_points():
    uptake, forgetting = [4.0, 3.0, 1.0], [1.0, 2.0, 6.0]
    assert at(uptake, forgetting, 3.5) == pytest.approx(1.5)
    assert at(uptake, forgetting, 2.0) == pytest.approx(4.0)


@pytest.mark.parametrize(("level", "expected"), [(4.0, 1.0), (3.0, 2.0), (1.0, 6.0)])
def test_at_a_point_of_the_curve_its_own_value_is_read(level, expected):
    assert at([4.0, 3.0, 1.0], [1.0, 2.0, 6.0], level) == expected


def test_the_first_passage_counts_not_the_cheapest():
    # Learned at 6 nats, unlearned, and learned again with less forgotten.
    assert at([4.0, 1.0, 3.0, 1.0], [1.0, 6.0, 2.0, 2.0], 1.0) == 6.0
    # A curve that turns back passes the level on its way down only.
    assert at([4.0, 2.0, 5.0], [1.0, 3.0, 9.0], 3.0) == pytest.approx(2.0)


def test_a_curve_that_never_reaches_the_level_has_no_value():
    assert math.isnan(at([4.0, 3.0, 2.0], [1.0, 2.0, 3.0], 1.9))
    assert math.isnan(at([4.0, 3.0], [1.0, 2.0], NAN))


def test_a_level_that_the_start_has_is_reached_without_training():
    assert at([4.0, 3.0, 2.0], [1.0, 2.0, 3.0], 4.5) == 1.0


def test_curves_of_many_seeds_are_read_one_by_one():
    uptake = np.array([[4.0, 2.0], [4.0, 3.0], [4.0, 0.0]])
    forgetting = np.array([[0.0, 1.0], [0.0, 1.0], [0.0, 1.0]])
    assert forgetting_at(uptake, forgetting, 2.0) == pytest.approx([1.0, NAN, 0.5], nan_ok=True)
    assert forgetting_at(uptake, forgetting, np.array([3.0, 3.0, 3.0])) == pytest.approx([0.5, 1.0, 0.25])


numbers = st.lists(st.integers(-20, 20), min_size=4, max_size=4)


@settings(deadline=None, derandomize=True, max_examples=200)
@given(numbers, numbers, st.integers(-20, 20), st.integers(-9, 9), st.integers(0, 2))
def test_a_curve_moved_or_drawn_through_more_points_is_read_the_same(uptake, forgetting, level, move, place):
    found = at(uptake, forgetting, level)
    moved = at([value + move for value in uptake], [value + 2 * move for value in forgetting], level + move)
    assert moved == pytest.approx(found + 2 * move, nan_ok=True)
    middle = [(line[place] + line[place + 1]) / 2 for line in (uptake, forgetting)]
    fuller = [
        [*line[: place + 1], new, *line[place + 1 :]]
        for line, new in zip((uptake, forgetting), middle, strict=True)
    ]
    assert at(*fuller, level) == pytest.approx(found, nan_ok=True)


def test_the_level_is_a_share_of_what_the_reference_learns():
    uptake = np.array([[5.0, 5.0], [3.0, 3.0], [1.0, 2.0]])  # [points, seeds]
    assert level_of(uptake, 0.5) == pytest.approx(5.0 - 0.5 * 3.5)
    assert math.isnan(level_of(uptake[::-1], 0.5))


STEEP, FLAT = [0.0, 1.0, 2.0, 4.0], [0.0, 0.2, 0.4, 0.8]
LEARNED = [0.0, 1.0, 2.0, 3.0]


def test_the_best_rate_forgets_least_at_the_level_among_those_that_reach_it():
    curves = {
        0.1: curves_of(LEARNED, STEEP),
        0.2: curves_of(LEARNED, FLAT),
        0.3: curves_of([0.0, 0.1, 0.2, 0.3], [0.0, 0.0, 0.0, 0.0]),
    }
    rate, found = best_rate(curves, 5.0 - 1.5)
    assert rate == 0.2
    assert found[0.1] == pytest.approx(1.0 + 1.5)
    assert math.isnan(found[0.3])
    assert best_rate(curves, 0.0)[0] is None
    assert most_learned(curves) == 0.1  # the smaller of equal ones


def test_each_seed_has_the_rate_that_is_best_for_it_and_reaches_the_level():
    slow, fast = curves_of([0.0, 0.1, 0.2, 0.3], FLAT), curves_of(LEARNED, STEEP)
    mixed = Curves(fast.uptake.copy(), slow.forgetting, fast.weights)
    mixed.uptake[:, 0] = slow.uptake[:, 0]  # at the lower rate the first seed learns too little
    curves = {0.2: fast, 0.1: mixed}
    level = 5.0 - 1.5
    assert best_rate(curves, level)[0] == 0.2
    assert rate_of_each_seed(curves, level) == [0.2, 0.1, 0.1, 0.1]
    own = at_rates(curves, [0.2, 0.1, 0.1, 0.1])
    assert np.array_equal(own.means()[0], np.stack([fast.means()[0][:, 0], *mixed.means()[0].T[1:]], axis=1))
    assert np.array_equal(own.means()[1], np.stack([fast.means()[1][:, 0], *mixed.means()[1].T[1:]], axis=1))
    assert rate_of_each_seed({0.1: mixed}, level) == [None, 0.1, 0.1, 0.1]


def test_a_difference_in_forgetting_is_found_with_its_sign_and_size():
    own, other = curves_of(LEARNED, FLAT), curves_of(LEARNED, STEEP)
    found = compared(own, other, other, share=0.5)
    assert found.level == pytest.approx(5.0 - 1.5)
    assert found.difference.mean == pytest.approx(0.3 - 1.5)
    assert found.lost == pytest.approx(1.5)
    assert found.reached == 4
    back = compared(other, own, own, share=0.5)
    assert back.difference.mean == pytest.approx(1.2)


def test_equal_curves_differ_by_nothing():
    own = world(np.random.default_rng(0))[0]
    found = compared(own, own, own, share=0.7)
    assert (found.difference.mean, found.difference.error) == (0.0, 0.0)
    assert found.difference.p_value() == 1.0


def test_a_seed_that_does_not_reach_the_level_leaves_no_mean():
    other = curves_of(LEARNED, STEEP)
    own = curves_of(LEARNED, FLAT)
    own.uptake[:, 0] = own.uptake[:1, 0]  # the first seed learns nothing
    found = compared(own, other, other, share=0.5)
    assert found.reached == 3
    assert math.isnan(found.difference.mean)


def test_an_added_amount_of_forgetting_moves_the_difference_by_as_much():
    rng = np.random.default_rng(1)
    other, own = world(rng)
    one = compared(own, other, other, share=0.7)
    more = own.forgetting + 0.25 * own.weights[1]
    two = compared(type(own)(own.uptake, more, own.weights), other, other, share=0.7)
    assert two.difference.mean == pytest.approx(one.difference.mean + 0.25)
    assert two.difference.error == pytest.approx(one.difference.error)


@pytest.mark.parametrize("sizes", [(4, 20, 30), (8, 40, 60)])
def test_the_interval_holds_the_truth_and_the_test_has_its_size(sizes):
    """300 worlds without a difference: coverage 0.95 within Monte-Carlo error, which here is 0.04 (three errors)."""
    rng = np.random.default_rng(2)
    covered = 0
    for _ in range(300):
        other, own = world(rng, *sizes)
        low, high = compared(own, other, other, share=0.7).difference.interval()
        covered += low <= 0 <= high
    assert 0.91 <= covered / 300 <= 0.985


def test_a_true_difference_is_found():
    rng = np.random.default_rng(3)
    other, own = world(rng, 8, 40, 60, apart=0.3)
    result = compared(own, other, other, share=0.7)
    low, high = result.difference.interval()
    assert low < 0.7 * 0.3 < high
    assert result.difference.p_value() < 0.05
