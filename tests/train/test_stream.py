import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tgl.core.errors import TglError
from tgl.train.stream import MixedStream, TokenStream

quick = settings(deadline=None, derandomize=True, max_examples=50)
END = 0
documents = st.lists(st.lists(st.integers(1, 9), min_size=0, max_size=6), min_size=1, max_size=12)


def joined(texts):
    return np.array([token for text in texts for token in [*text, END]], dtype=np.int32)


def split(tokens):
    found, current = [], []
    for token in tokens.tolist():
        current.append(token)
        if token == END:
            found.append(tuple(current))
            current = []
    return found + ([tuple(current)] if current else [])


@quick
@given(documents, st.integers(0, 2**31), st.integers(0, 5))
def test_each_epoch_is_a_permutation_of_the_documents(texts, seed, epoch):
    tokens = joined(texts)
    assert sorted(split(TokenStream(tokens, END, seed).epoch(epoch))) == sorted(split(tokens))


@quick
@given(st.lists(st.integers(1, 9), min_size=1, max_size=40), st.integers(0, 2**31))
def test_a_last_document_without_an_end_is_kept(tail, seed):
    tokens = np.concatenate([joined([[1, 2], [3]]), np.array(tail, dtype=np.int32)])
    assert sorted(TokenStream(tokens, END, seed).epoch(0).tolist()) == sorted(tokens.tolist())


@quick
@given(documents, st.integers(0, 2**31), st.integers(1, 4), st.integers(1, 9), st.integers(1, 12))
def test_batches_lay_the_epochs_end_to_end_without_loss(texts, seed, batch_size, block_size, steps):
    tokens = joined(texts)
    stream = TokenStream(tokens, END, seed)
    seen = np.concatenate([stream.batch(step, batch_size, block_size).ravel() for step in range(steps)])
    epochs = -(-len(seen) // len(tokens))
    fresh = TokenStream(tokens, END, seed)
    expected = np.concatenate([fresh.epoch(number) for number in range(epochs)])
    assert seen.tolist() == expected[: len(seen)].tolist()


@quick
@given(documents, st.integers(0, 2**31), st.permutations(range(6)))
def test_a_batch_depends_only_on_seed_and_step(texts, seed, order):
    tokens = joined(texts)
    stream = TokenStream(tokens, END, seed)
    out_of_order = {step: stream.batch(step, 2, 5) for step in order}
    for step, found in out_of_order.items():
        assert np.array_equal(found, TokenStream(tokens, END, seed).batch(step, 2, 5))


def test_epochs_and_seeds_have_orders_of_their_own():
    tokens = joined([[number] for number in range(1, 60)])
    stream = TokenStream(tokens, END, 0)
    orders = [stream.epoch(0), stream.epoch(1), TokenStream(tokens, END, 1).epoch(0), tokens]
    assert len({order.tobytes() for order in orders}) == 4


def test_a_batch_is_int64_of_the_asked_shape():
    batch = TokenStream(joined([[1, 2, 3]]), END, 0).batch(3, 2, 7)
    assert batch.shape == (2, 7)
    assert batch.dtype == np.int64


def test_no_tokens_are_refused():
    with pytest.raises(TglError, match="no tokens"):
        TokenStream(np.array([], dtype=np.int32), END, 0)


NEW, OLD = [list(range(1, 8)), [8, 9], [10] * 5], [list(range(101, 112)), [120, 121, 122]]
BLOCK = 4
ratios = st.lists(st.floats(0.05, 6), min_size=4, max_size=4)


def mixed(of_pass, new=NEW, old=OLD, seed=0):
    """Return a mixture, and its two texts as streams of their own."""
    streams = [TokenStream(joined(texts), END, number + seed) for number, texts in enumerate((new, old))]
    twins = [TokenStream(joined(texts), END, number + seed) for number, texts in enumerate((new, old))]
    return MixedStream(*streams, of_pass), *twins


def kinds_by_pass(stream, passes):
    """Return for each pass over the new text whether each of its rows is old, in order."""
    num_tokens = len(joined(NEW))
    found, read, number = [[] for _ in range(passes)], 0, 0
    while read * BLOCK // num_tokens < passes:
        is_old, _ = stream.row(number, BLOCK)
        found[read * BLOCK // num_tokens].append(is_old)
        read, number = read + (not is_old), number + 1
    return found


@quick
@given(ratios)
def test_each_pass_over_the_new_text_has_its_own_share_of_old_rows_within_one(values):
    stream, *_ = mixed(lambda number: values[number])
    for number, kinds in enumerate(kinds_by_pass(stream, 4)):
        share = values[number] / (1 + values[number])
        assert abs(sum(kinds) - share * len(kinds)) <= 1 + 1e-6
        assert kinds.count(False) in (4, 5)  # 17 tokens in rows of 4


@quick
@given(ratios)
def test_old_rows_are_spread_evenly_between_new_ones(values):
    stream, *_ = mixed(lambda number: values[number])
    for number, kinds in enumerate(kinds_by_pass(stream, 4)):
        share = values[number] / (1 + values[number])
        for begin in range(len(kinds)):
            for end in range(begin + 1, len(kinds) + 1):
                assert abs(sum(kinds[begin:end]) - share * (end - begin)) <= 1 + 1e-6


def test_many_passes_at_one_ratio_have_it_exactly():
    kinds = list(itertools.chain.from_iterable(kinds_by_pass(mixed(lambda number: 3.0)[0], 40)))
    assert abs(sum(kinds) - 3 * kinds.count(False)) <= 3
    alternating = [mixed(lambda number: 1.0)[0].row(number, BLOCK)[0] for number in range(20)]
    assert alternating == [False, True] * 10


def test_mix_review_s_old_rows_grow_fewer_with_each_pass():
    kinds = kinds_by_pass(mixed(lambda number: 4 * 0.7**number)[0], 12)
    shares = [sum(own) / len(own) for own in kinds]
    assert shares[0] == pytest.approx(0.8, abs=0.05)
    assert shares[-1] < 0.2
    assert sum(shares[:6]) > sum(shares[6:]) + 1


@quick
@given(ratios, st.integers(1, 4), st.integers(0, 9))
def test_the_rows_of_each_text_follow_one_another_as_in_its_own_stream(values, batch_size, seed):
    stream, *own = mixed(lambda number: values[min(number, 3)], seed=seed)
    seen, rows = [0, 0], [row for step in range(12) for row in stream.batch(step, batch_size, BLOCK)]
    for number, row in enumerate(rows):
        is_old = stream.row(number, BLOCK)[0]
        assert row.tolist() == own[is_old].batch(seen[is_old], 1, BLOCK)[0].tolist()
        assert max(row) > 100 or not is_old
        seen[is_old] += 1
    for text, count in zip(own, seen, strict=True):
        end_to_end = text.batch(0, count, BLOCK).ravel().tolist() if count else []
        told = [
            token
            for number, row in enumerate(rows)
            if (own[stream.row(number, BLOCK)[0]] is text)
            for token in row
        ]
        assert told == end_to_end


@quick
@given(ratios, st.permutations(range(8)))
def test_a_batch_of_a_mixture_depends_on_its_step_alone(values, order):
    def of_pass(number):
        return values[min(number, 3)]

    stream, *_ = mixed(of_pass)
    for step in order:
        assert np.array_equal(stream.batch(step, 3, BLOCK), mixed(of_pass)[0].batch(step, 3, BLOCK))


def test_no_old_rows_leave_the_new_stream_as_it_is():
    stream, new, _ = mixed(lambda number: 0.0)
    for step in range(6):
        assert np.array_equal(stream.batch(step, 2, BLOCK), new.batch(step, 2, BLOCK))


def test_a_batch_of_a_mixture_is_int64_of_the_asked_shape():
    batch = mixed(lambda number: 2.0)[0].batch(1, 3, 5)
    assert batch.shape == (3, 5)
    assert batch.dtype == np.int64
