"""Weights of tokens in the loss."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.support.model_fixtures import BLOCK, plan_of, some_tokens, tiny_model
from tests.train.baselines.periods import baseline_of, period_of, regulariser_of
from tgl.train.engines import Regulariser
from tgl.train.engines.interface import language_model_loss, pass_losses
from tgl.train.token_weights import ExcessWeights, RandomWeights, excess_losses, weights_of_highest

TOKENS = torch.from_numpy(some_tokens(4 * BLOCK).astype("int64")).view(4, BLOCK)


@given(st.integers(0, 10_000), st.floats(0.1, 5))
def test_the_excess_loss_has_mean_zero_under_the_model_itself(seed, spread):
    logits = torch.randn(1, 1, 7, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * spread
    each = torch.stack([excess_losses(logits, torch.tensor([[token]])) for token in range(7)]).flatten()
    assert (logits.softmax(-1).flatten() * each).sum().item() == pytest.approx(0, abs=1e-9)


def test_the_excess_loss_of_an_impossible_rival_is_finite():
    logits = torch.tensor([[[0.0, -torch.inf, 0.0]]])
    assert excess_losses(logits, torch.tensor([[0]])).item() == pytest.approx(0, abs=1e-6)


@given(st.integers(2, 30), st.floats(0.05, 0.95), st.floats(1, 100), st.integers(0, 1000))
def test_weights_have_mean_one_in_each_row_and_the_stated_factor(size, share, factor, seed):
    values = torch.rand(3, size, generator=torch.Generator().manual_seed(seed))
    weights = weights_of_highest(values, share, factor)
    assert torch.allclose(weights.mean(1), torch.ones(3), atol=1e-5)
    for row, weight in zip(values, weights, strict=True):
        high = row.argsort(descending=True)[: max(1, round(share * size))]
        other = torch.ones(size, dtype=torch.bool)
        other[high] = False
        assert torch.allclose(weight[high], weight[high][0].expand(len(high)))
        if other.any():
            assert (weight[high][0] / weight[other][0]).item() == pytest.approx(factor, rel=1e-4)


def test_only_the_trained_loss_is_weighted_and_the_reported_one_is_the_language_model_s():
    model = tiny_model(spread=4)
    plain = language_model_loss(model, TOKENS)
    trained, reported = pass_losses(model, TOKENS, ExcessWeights(0.25, 5.0))
    assert reported.item() == pytest.approx(plain.item(), rel=1e-6)
    assert trained.item() > plain.item() + 0.05
    assert not reported.requires_grad
    same, told = pass_losses(model, TOKENS, Regulariser())
    assert same.item() == told.item() == plain.item()


def test_a_batch_in_passes_has_the_weights_of_the_whole_batch():
    model = tiny_model(spread=4)
    whole = pass_losses(model, TOKENS, ExcessWeights(0.25, 5.0))[0]
    parts = [pass_losses(model, part, ExcessWeights(0.25, 5.0))[0] for part in TOKENS.split(1)]
    assert torch.stack(parts).mean().item() == pytest.approx(whole.item(), rel=1e-5)


def test_random_weights_ignore_the_loss_and_follow_the_seed():
    logits, targets = torch.randn(2, 8, 5), torch.zeros(2, 8, dtype=torch.int64)
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append(RandomWeights(0.25, 5.0).token_weights(logits * seed, targets))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert (drawn[0] > 1).sum(1).tolist() == [2, 2]


@pytest.mark.parametrize(
    ("name", "kind"), [("token_weights", ExcessWeights), ("random_token_weights", RandomWeights)]
)
def test_the_baselines_use_their_settings(name, kind):
    found = regulariser_of(baseline_of(name, share=0.1, factor=3.0), period_of(plan_of([1.0] * 4)))
    assert (type(found), found.share, found.factor) == (kind, 0.1, 3.0)
