import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.model_fixtures import BLOCK
from tgl.evaluate.spans import SpanTokens
from tgl.profiling.norms import batches

lengths = st.lists(st.tuples(st.integers(2, BLOCK), st.integers(1, BLOCK - 1)), min_size=1, max_size=30)


@settings(deadline=None, max_examples=100)
@given(lengths, st.integers(1, 300), st.randoms(use_true_random=False))
def test_batches_hold_every_example_once_within_the_tokens_allowed_and_whatever_the_order(
    shapes, most, shuffler
):
    examples = [
        SpanTokens([number, *[5] * (length - 1)], min(first, length - 1))
        for number, (length, first) in enumerate(shapes)
    ]
    found = batches(examples, most)
    assert sorted(itertools.chain(*found)) == list(range(len(examples)))
    for members in found:
        assert len(members) == 1 or len(members) * max(len(examples[n].ids) for n in members) <= most
    order = list(range(len(examples)))
    shuffler.shuffle(order)
    again = batches([examples[n] for n in order], most)
    assert [[order[n] for n in members] for members in again] == found


def test_batches_put_examples_of_similar_length_together_and_are_as_full_as_allowed():
    examples = [SpanTokens([7] * length, 1) for length in (4, 20, 5, 20, 4)]
    assert batches(examples, 40) == [[1, 3], [2, 0, 4]]
