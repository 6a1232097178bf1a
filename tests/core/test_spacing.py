"""Evenly spaced items and means of neighbours."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgl.core.spacing import evenly_spaced, thinned

COUNTS = st.integers(1, 500)


@given(COUNTS, COUNTS)
def test_evenly_spaced_numbers_begin_with_the_first_and_are_as_many_as_asked(count, most):
    found = evenly_spaced(count, most)
    assert len(found) == min(count, most)
    assert found[0] == 0
    assert most == 1 or found[-1] == count - 1
    steps = np.diff(found)
    assert len(steps) == 0 or steps.max() - steps.min() <= 1


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300), COUNTS)
def test_means_of_neighbours_keep_the_weighted_mean(values, most):
    found = thinned(values, most)
    assert len(found) <= most
    size = -(-len(values) // most)
    sizes = np.full(len(found), size)
    sizes[-1] = len(values) - size * (len(found) - 1)
    assert (found * sizes).sum() == pytest.approx(np.sum(values), rel=1e-9, abs=1e-3)
    assert most < len(values) or found == pytest.approx(np.array(values))


def test_nothing_stays_nothing():
    assert len(thinned(np.array([]), 3)) == 0
