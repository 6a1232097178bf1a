"""Sums of the examples' gradients, by hooks and by autograd."""

import pytest
import torch

from tests.profiling.test_norms import COUNT, EXACT, agrees, measured, naive, reference
from tests.support.model_fixtures import ARCHITECTURES, sharp_model, some_examples
from tgl.profiling import squares


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_gradients_that_hooks_sum_give_the_same_norm_of_the_mean(kind, monkeypatch):
    calls = []
    original = squares.linear_squares_and_sum
    monkeypatch.setattr(squares, "_PASS", 0)  # at any size
    monkeypatch.setattr(squares, "linear_squares_and_sum", lambda *a: calls.append(1) or original(*a))
    found = measured(sharp_model(kind).double(), some_examples(COUNT), batch_tokens=64)
    agrees(found, reference(kind), EXACT.get(kind, 1e-9))
    assert bool(calls) == (kind not in ("mamba", "tgl_gru"))  # whose mixers run with copies


def test_a_head_with_a_bias_that_is_tied_to_an_embedding_looked_up_twice_has_its_whole_gradient(monkeypatch):
    class Twice(torch.nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, ids):
            return 0.5 * (self.inner(ids) + self.inner(ids.clone()))

        @property
        def weight(self):
            return self.inner.weight

    monkeypatch.setattr(squares, "_PASS", 0)  # Hooks add up gradients at any size.
    model = sharp_model("gpt2").double()
    model.lm_head.bias = torch.nn.Parameter(torch.zeros(model.config.vocab_size, dtype=torch.float64))
    model.transformer.wte = Twice(model.transformer.wte)
    examples = some_examples(4)
    each, of_mean, _ = naive(model, examples)
    found = measured(model, examples)
    assert found.each == pytest.approx(each, rel=1e-9)
    assert found.of_mean == pytest.approx(of_mean, rel=1e-9)
