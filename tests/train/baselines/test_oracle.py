import numpy as np

from tests.support.model_fixtures import BLOCK, settings_of
from tests.train.baselines.periods import baseline_of
from tests.train.baselines.two_texts import NEW, OLD, two_texts
from tgl.train.baseline import Start
from tgl.train.stream import TokenStream


def test_the_oracle_sees_all_text_as_often_as_plain_training_sees_the_new():
    period, oracle = two_texts(settings=settings_of(steps=37)), baseline_of("oracle")
    feed = oracle.stream(period)
    assert feed.num_steps == round(37 * (len(OLD) + len(NEW)) / len(NEW))
    both = np.concatenate([OLD, NEW])
    rows = len(both) // BLOCK
    seen = feed.stream.batch(0, rows + 1, BLOCK).ravel()[: len(both)]
    assert np.array_equal(np.sort(seen), np.sort(both))  # once each, shuffled
    assert not np.array_equal(seen, both)
    expected = TokenStream(both, 0, period.seed).batch(3, 4, BLOCK)
    assert np.array_equal(feed.stream.batch(3, 4, BLOCK), expected)


def test_the_oracle_starts_each_period_from_the_base_model():
    assert baseline_of("oracle").start is Start.BASE
