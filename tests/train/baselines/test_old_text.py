import numpy as np
import pytest

from tests.model_fixtures import BLOCK, plan_of, settings_of
from tests.train.baselines.periods import baseline_of, period_of
from tgl.train.stream import TokenStream


def documents(lowest, highest, count):
    """Return documents of random tokens in a range, each ended by token 0."""
    tokens = np.random.default_rng(lowest).integers(lowest, highest, count).astype(np.int32)
    tokens[15::16] = 0
    return tokens


NEW = documents(1, 100, 640)  # 20 rows of 32 tokens a pass
OLD = documents(100, 290, 960)


def two_texts(**changes):
    return period_of(plan_of([1.0] * 4), new=NEW, old=OLD, **changes)


def rows_of(baseline, period, count):
    """Return the first rows that are trained on, and whether each is old."""
    stream = baseline.stream(period)
    rows = np.concatenate([stream.batch(step, 4, BLOCK) for step in range(count // 4)])
    return rows, rows.max(axis=1) >= 100


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


@pytest.mark.parametrize(("ratio", "decay"), [(4.0, 0.5), (4.0, 0.7), (2.0, 1.0)])
def test_mix_review_shows_ratio_times_decay_to_the_pass_old_rows_for_each_new_one(ratio, decay):
    _, old = rows_of(baseline_of("mix_review", ratio=ratio, decay=decay), two_texts(), 400)
    passes = (np.cumsum(~old) - ~old) * BLOCK // len(NEW)  # over the new text, complete before each row
    for number in range(4):
        of_pass = old[passes == number]
        assert (~of_pass).sum() == 20
        expected = 20 * ratio * decay**number
        assert of_pass.sum() == pytest.approx(expected, abs=2 + ratio * decay**number)


def test_mix_review_s_default_is_the_paper_s_four_to_one_falling_by_a_factor_of_seven_tenths():
    found = [baseline_of("mix_review").old_to_new(number) for number in range(4)]
    assert found == pytest.approx([4.0, 2.8, 1.96, 1.372])


@pytest.mark.parametrize("name", ["plain", "replay", "mix_review", "recadam", "ewc"])
def test_every_method_takes_the_steps_of_plain_training(name):
    assert baseline_of(name).num_steps(two_texts(settings=settings_of(steps=37))) == 37
    assert [baseline_of(name).starts_from_base(number) for number in range(3)] == [True, False, False]


def test_the_oracle_sees_all_text_as_often_as_plain_training_sees_the_new():
    period, oracle = two_texts(settings=settings_of(steps=37)), baseline_of("oracle")
    assert oracle.num_steps(period) == round(37 * (len(OLD) + len(NEW)) / len(NEW))
    both = np.concatenate([OLD, NEW])
    rows = len(both) // BLOCK
    seen = oracle.stream(period).batch(0, rows + 1, BLOCK).ravel()[: len(both)]
    assert np.array_equal(np.sort(seen), np.sort(both))  # once each, shuffled
    assert not np.array_equal(seen, both)
    expected = TokenStream(both, 0, period.seed).batch(3, 4, BLOCK)
    assert np.array_equal(oracle.stream(period).batch(3, 4, BLOCK), expected)


def test_the_oracle_starts_each_period_from_the_base_model():
    assert all(baseline_of("oracle").starts_from_base(number) for number in range(4))


def test_old_and_new_text_have_orders_of_their_own_that_change_with_the_seed():
    one, other = two_texts(seed=1), two_texts(seed=2)
    for streams in ((one.new_stream(), other.new_stream()), (one.old_stream(), other.old_stream())):
        assert not np.array_equal(*(stream.batch(0, 4, BLOCK) for stream in streams))
    assert one.old_stream().seed != one.new_stream().seed
