"""Forgetting at a level of uptake, read from one curve."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.analysis.score_tables import values
from tests.analysis.uptake_tables import FULL, NAN, RATES, at, numbers, tables
from tgl.analysis.uptake import curve_points, forgetting_at, missing_rates


def test_a_monotone_curve_is_read_between_its_neighbouring_rates():
    uptake, forgetting = [4.0, 3.0, 1.0], [1.0, 2.0, 6.0]
    assert at(uptake, forgetting, 3.5) == pytest.approx(1.5)
    assert at(uptake, forgetting, 2.0) == pytest.approx(4.0)


@pytest.mark.parametrize(("level", "expected"), [(4.0, 1.0), (3.0, 2.0), (1.0, 6.0)])
def test_at_a_point_of_the_curve_its_own_value_is_read(level, expected):
    assert at([4.0, 3.0, 1.0], [1.0, 2.0, 6.0], level) == expected


def test_where_a_curve_passes_twice_the_smaller_forgetting_counts():
    # Down to 1 and, at too large a rate, up again with much more forgotten.
    assert at([4.0, 1.0, 5.0], [1.0, 4.0, 9.0], 2.0) == pytest.approx(3.0)
    assert at([4.0, 1.0, 5.0], [9.0, 4.0, 1.0], 2.0) == pytest.approx(4.0 - 3.0 / 4)


def test_a_curve_that_never_reaches_the_level_has_no_value():
    assert math.isnan(at([4.0, 3.0, 2.0], [1.0, 2.0, 3.0], 1.9))
    assert math.isnan(at([4.0], [1.0], 3.0))


def test_a_flat_stretch_is_read_and_divides_by_nothing():
    assert at([4.0, 2.0, 2.0, 1.0], [1.0, 3.0, 5.0, 6.0], 2.0) == 3.0


def test_a_flat_end_of_a_curve_counts_with_its_smaller_forgetting():
    assert at([4.0, 2.0, 2.0], [1.0, 5.0, 3.0], 2.0) == 3.0


def test_a_level_that_the_base_model_has_is_reached_without_training():
    assert at([4.0, 3.0, 2.0], [1.0, 2.0, 3.0], 4.0) == 1.0


@settings(deadline=None, derandomize=True, max_examples=200)
@given(numbers, numbers, st.integers(-20, 20), st.integers(-9, 9), st.integers(0, 2))
def test_a_curve_moved_or_drawn_through_more_points_is_read_the_same(uptake, forgetting, level, move, place):
    found = at(uptake, forgetting, level)
    moved = at([value + move for value in uptake], [value + 2 * move for value in forgetting], level + move)
    assert moved == pytest.approx(found + 2 * move, nan_ok=True)
    assert at(uptake[::-1], forgetting[::-1], level) == pytest.approx(found, nan_ok=True)
    middle = [(line[place] + line[place + 1]) / 2 for line in (uptake, forgetting)]
    fuller = [
        [*line[: place + 1], new, *line[place + 1 :]]
        for line, new in zip((uptake, forgetting), middle, strict=True)
    ]
    flat_there = uptake[place] == uptake[place + 1] == level  # the middle is then no longer between them
    if not flat_there:
        assert at(*fuller, level) == pytest.approx(found, nan_ok=True)


def test_a_missing_run_breaks_the_curve_there_and_only_there():
    assert at([4.0, 3.0, NAN, 1.0], [1.0, 2.0, NAN, 6.0], 3.5) == pytest.approx(1.5)
    assert math.isnan(at([4.0, 3.0, NAN, 1.0], [1.0, 2.0, NAN, 6.0], 2.0))


def test_curves_of_many_seeds_are_read_one_by_one():
    uptake = np.array([[4.0, 2.0], [4.0, 3.0], [4.0, 0.0]])
    forgetting = np.array([[0.0, 1.0], [0.0, 1.0], [0.0, 1.0]])
    assert forgetting_at(uptake, forgetting, 2.0) == pytest.approx([1.0, NAN, 0.5], nan_ok=True)


@settings(deadline=None, derandomize=True, max_examples=200)
@given(numbers, numbers, st.integers(-20, 20), st.integers(1, 3))
def test_no_rate_is_missing_exactly_where_the_measured_curve_alone_gives_the_value(
    uptake, forgetting, level, num_rates
):
    points = [("base", 0.0), *(("m", float(rate)) for rate in range(1, num_rates + 1))]
    pair = tuple(
        values({run: [[float(value)]] for run, value in zip(points, line, strict=False)})
        for line in (uptake, forgetting)
    )
    whole = at(uptake[: num_rates + 1], forgetting[: num_rates + 1], level)
    alone = at(uptake[1 : num_rates + 1], forgetting[1 : num_rates + 1], level)
    assert (missing_rates(*pair, "m", level=level) == []) == (whole == alone)


def test_the_points_of_a_curve_begin_with_the_base_model_and_rise_with_the_rate():
    updated, unchanged = tables({"full": FULL[::-1]}, noise=0)
    found = curve_points(updated, unchanged, ["full"], resamples=100)
    assert found["rate"].tolist() == [0.0, *RATES]
    assert found["updated"].tolist() == pytest.approx(np.exp([5.0, 1.0, 2.0, 4.0]))
    assert found["unchanged"].tolist() == pytest.approx(np.exp([1.0, 2.0, 1.6, 1.2]))
    assert (found["updated_low"] <= found["updated"] + 1e-9).all()
