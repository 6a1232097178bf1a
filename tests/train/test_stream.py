import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tgl.errors import TglError
from tgl.train.stream import TokenStream

quick = settings(deadline=None, max_examples=50)
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
