import numpy as np
import pytest

from tests.support.model_fixtures import BLOCK
from tests.train.baselines.periods import baseline_of
from tests.train.baselines.two_texts import rows_of, two_texts


@pytest.mark.parametrize("ratio", [0.25, 1.0, 3.0])
def test_replay_shows_the_asked_number_of_old_rows_for_each_new_one_throughout(ratio):
    _, old = rows_of(baseline_of("replay", ratio=ratio), two_texts(), 400)
    for part in (old, old[:100], old[300:]):
        assert abs(part.sum() - ratio * (~part).sum()) <= 1 + ratio


@pytest.mark.parametrize("name", ["replay", "mix_review"])
def test_new_and_old_rows_follow_their_own_orders(name):
    period = two_texts()
    rows, old = rows_of(baseline_of(name), period, 200)
    assert np.array_equal(rows[~old], period.new_stream().batch(0, (~old).sum(), BLOCK))
    assert np.array_equal(rows[old], period.old_stream().batch(0, old.sum(), BLOCK))
    # Plain training sees the same new text in the same order, only more of it.
    plain, none = rows_of(baseline_of("plain"), period, 200)
    assert not none.any()
    assert np.array_equal(plain[: (~old).sum()], rows[~old])


def test_old_and_new_text_have_orders_of_their_own_that_change_with_the_seed():
    one, other = two_texts(seed=1), two_texts(seed=2)
    for streams in ((one.new_stream(), other.new_stream()), (one.old_stream(), other.old_stream())):
        assert not np.array_equal(*(stream.batch(0, 4, BLOCK) for stream in streams))
    assert one.old_stream().seed != one.new_stream().seed
