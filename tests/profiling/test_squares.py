"""Each square against the dense gradient, by einsum or autograd, in float64."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from tgl.profiling import squares
from tgl.profiling.squares import LEAF

quick = settings(deadline=None, max_examples=40)
seeds = st.integers(0, 10**6)
sizes = st.integers(1, 6)


def drawn(seed, *shapes):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]


def close(found, expected):
    assert found.dtype == torch.float64
    assert found.shape == expected.shape
    assert torch.allclose(found, expected, rtol=1e-10, atol=1e-12)


def dense_linear(inputs, gradients):
    return torch.einsum("bti,bto->bio", inputs, gradients).square().sum((1, 2))


class Refused(Exception):
    pass


def refuse(*arguments):
    raise Refused


def uses_gram(monkeypatch, inputs, gradients):
    """Whether the Gram form is taken for these shapes; a call that is not refused materialises."""
    with monkeypatch.context() as patched:
        patched.setattr(squares, "_gram", refuse)
        try:
            squares.linear_squares(inputs, gradients)
        except Refused:
            return True
        return False


@pytest.mark.parametrize("time", [1, 2, 3, 31, LEAF - 1, LEAF, LEAF + 1, 2 * LEAF, 2 * LEAF + 1, 200])
@pytest.mark.parametrize("wide", [True, False])
def test_a_linear_map_gives_the_square_of_its_gradient_in_both_forms(time, wide, monkeypatch):
    # Gram costs pairs * (in + out), the gradient time * in * out: 450 * 430 is wide, 2 * 2 never is.
    size_in, size_out = (450, 430) if wide else (2, 2)
    inputs, gradients = drawn(time, (3, time, size_in), (3, time, size_out))
    # 450 * 430 / 880 = 220 pairs a position are worth it, at 200 positions no more than 200 are.
    assert uses_gram(monkeypatch, inputs, gradients) == wide
    close(squares.linear_squares(inputs, gradients), dense_linear(inputs, gradients))


@quick
@given(seeds, st.integers(1, 3), st.integers(1, 140), st.integers(1, 9), st.integers(1, 9))
def test_the_gram_form_equals_the_gradient_for_any_shape(seed, batch, time, size_in, size_out):
    inputs, gradients = drawn(seed, (batch, time, size_in), (batch, time, size_out))
    expected = dense_linear(inputs, gradients)
    close(squares._gram(inputs, gradients), expected)
    close(squares.linear_squares(inputs, gradients), expected)


# With equal sizes n, Gram pays when pairs * 2n < time * n * n: above n = 80 for 40 positions, which are all paired,
# and above n = 192 for 128, of which three quarters of the pairs are computed.
@pytest.mark.parametrize(
    ("time", "size", "expected"), [(40, 80, False), (40, 81, True), (128, 192, False), (128, 193, True)]
)
def test_the_form_is_chosen_by_shape_alone_and_at_the_cheaper_count(time, size, expected, monkeypatch):
    for scale in (0.0, 1e6):
        inputs, gradients = drawn(0, (1, time, size), (1, time, size))
        assert uses_gram(monkeypatch, inputs * scale, gradients) == expected


def test_a_batch_too_large_to_materialise_at_once_is_taken_in_steps(monkeypatch):
    inputs, gradients = drawn(0, (7, 9, 4), (7, 9, 3))
    for most in (1, 12, 25, 36, 1000):  # scalars; the gradient of one example has 12
        monkeypatch.setattr(squares, "_MATERIALISED_SCALARS", most)
        close(squares.linear_squares(inputs, gradients), dense_linear(inputs, gradients))


@pytest.mark.parametrize(
    "time", [*range(1, 8), LEAF, LEAF + 1, 2 * LEAF, 2 * LEAF + 1, 2 * LEAF + 3, 300, 777]
)
def test_the_number_of_pairs_is_that_of_the_products_computed(time, monkeypatch):
    computed = []
    original = squares._products

    def counted(left, right):
        assert left.shape == right.shape
        computed.append(left.shape[1] * left.shape[2])
        return original(left, right)

    monkeypatch.setattr(squares, "_products", counted)
    squares._gram(*drawn(0, (1, time, 2), (1, time, 2)))
    assert squares.gram_pairs(time) == sum(computed)
    assert time * (time + 1) // 2 <= squares.gram_pairs(time) <= time**2
    if time > LEAF:
        assert squares.gram_pairs(time) < time**2


# Norms of queries and keys see heads too, before or after time.
inner = st.sampled_from([(1,), (7,), (3, 2), (2, 3)])


@quick
@given(seeds, sizes, inner, sizes)
def test_a_bias_gives_the_square_of_its_gradient(seed, batch, places, size):
    (gradients,) = drawn(seed, (batch, *places, size))
    bias = torch.zeros(size, dtype=torch.float64, requires_grad=True)
    expected = [torch.autograd.grad((bias * g).sum(), bias)[0].square().sum() for g in gradients]
    close(squares.bias_squares(gradients), torch.stack(expected))


@quick
@given(seeds, sizes, inner, sizes)
def test_an_elementwise_weight_gives_the_square_of_its_gradient(seed, batch, places, size):
    inputs, gradients = drawn(seed, (batch, *places, size), (batch, *places, size))
    weight = torch.ones(size, dtype=torch.float64, requires_grad=True)
    expected = [
        torch.autograd.grad((weight * x * g).sum(), weight)[0].square().sum()
        for x, g in zip(inputs, gradients, strict=True)
    ]
    close(squares.scale_squares(inputs, gradients), torch.stack(expected))


def embedded(ids, gradients, vocabulary):
    """Return the dense gradients [batch, vocabulary, size] of an embedding, by autograd."""
    weight = torch.zeros(vocabulary, gradients.shape[2], dtype=torch.float64, requires_grad=True)
    return torch.stack(
        [
            torch.autograd.grad((functional.embedding(i, weight) * g).sum(), weight)[0]
            for i, g in zip(ids, gradients, strict=True)
        ]
    )


@quick
@given(seeds, sizes, st.integers(1, 12), sizes, st.integers(1, 8))
def test_an_embedding_gives_the_square_of_its_gradient_with_repeated_ids(seed, batch, time, size, vocabulary):
    (gradients,) = drawn(seed, (batch, time, size))
    ids = torch.from_numpy(np.random.default_rng(seed).integers(0, vocabulary, (batch, time)))
    expected = embedded(ids, gradients, vocabulary).square().sum((1, 2))
    close(squares.embedding_squares(ids, gradients), expected)


def test_positions_that_hold_the_same_id_add_up_within_an_example_only():
    ids = torch.tensor([[4, 4, 4], [4, 1, 2]])
    gradients = torch.ones(2, 3, 1, dtype=torch.float64)
    assert squares.embedding_squares(ids, gradients).tolist() == [9.0, 3.0]


@quick
@given(seeds, sizes, st.integers(1, 8), st.integers(1, 5), sizes, st.integers(1, 8))
def test_the_tied_product_is_the_inner_product_of_both_dense_gradients(
    seed, batch, time, targets, size, words
):
    embedding, inputs, head = drawn(
        seed, (batch, time, size), (batch, targets, size), (batch, targets, words)
    )
    ids = torch.from_numpy(np.random.default_rng(seed).integers(0, words, (batch, time)))
    dense_head = torch.einsum("btv,bth->bvh", head, inputs)
    dense_embedding = embedded(ids, embedding, words)
    expected = (dense_head * dense_embedding).sum((1, 2))
    close(squares.tied_products(ids, embedding, inputs, head_gradients=head), expected)
    # What it is for: |e + h|^2 = |e|^2 + |h|^2 + 2 e . h
    whole = squares.embedding_squares(ids, embedding) + squares.linear_squares(inputs, head) + 2 * expected
    close(whole, (dense_head + dense_embedding).square().sum((1, 2)))


def test_long_sums_of_fp32_do_not_stop_at_2_to_the_24():
    # 2^24 + 1 does not exist in fp32: a sum of ones in fp32 would stop there, 2e-4 too low.
    gradients = torch.ones(1, 1, 2**12 + 1)
    gradients[0, 0, 0] = 2.0**12
    assert squares.bias_squares(gradients).tolist() == pytest.approx([2.0**24 + 2**12], rel=1e-6)
    ones = torch.ones(1, 1, 2**12 + 1)
    ones[0, 0, 0] = 2.0**12
    found = squares.linear_squares(torch.ones(1, 1, 1), ones).tolist()
    assert found == pytest.approx([2.0**24 + 2**12], rel=1e-6)


@given(st.integers(0, 99), st.lists(st.integers(1, 70), min_size=1, max_size=3), st.booleans())
def test_a_sum_of_squares_is_over_all_dimensions_but_the_first(seed, shape, double):
    values = torch.from_numpy(np.random.default_rng(seed).normal(size=shape))
    values = values if double else values.float()
    expected = values.double().square().reshape(len(values), -1).sum(1)
    torch.testing.assert_close(
        squares.sum_of_squares(values), expected, rtol=1e-12 if double else 1e-6, atol=0
    )


@given(st.integers(0, 99), st.integers(1, 4), st.integers(1, 9), st.integers(1, 5), st.integers(1, 5))
def test_a_materialised_gradient_gives_its_square_and_its_sum(seed, batch, time, size_in, size_out):
    inputs, gradients = drawn(seed, (batch, time, size_in), (batch, time, size_out))
    found, total = squares.linear_squares_and_sum(inputs, gradients)
    close(found, dense_linear(inputs, gradients))
    close(total, torch.einsum("bti,bto->io", inputs, gradients))


@pytest.mark.parametrize(("time", "expected"), [(32, False), (128, False), (512, True)])
def test_the_sum_is_taken_from_the_examples_gradients_where_the_gram_form_costs_more(time, expected):
    assert squares.sum_is_cheaper(time, 768, 3072) == expected
