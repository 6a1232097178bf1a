"""The losses and their gradient against autograd."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from tgl.profiling.losses import NO_TARGET, target_losses


@given(st.integers(0, 99), st.lists(st.integers(1, 6), min_size=1, max_size=4), st.integers(2, 9))
def test_losses_and_gradient_equal_those_of_autograd(seed, counts, vocabulary):
    generator = torch.Generator().manual_seed(seed)
    width = max(counts)
    logits = torch.randn(len(counts), width, vocabulary, generator=generator, dtype=torch.float64) * 3
    targets = torch.randint(0, vocabulary, (len(counts), width), generator=generator)
    for row, count in enumerate(counts):
        targets[row, count:] = NO_TARGET
    before = logits.clone()
    found, gradient = target_losses(logits.requires_grad_(), targets)
    each = functional.cross_entropy(
        logits.flatten(0, 1), targets.flatten(), reduction="none", ignore_index=NO_TARGET
    )
    expected = each.view(targets.shape).sum(1) / torch.tensor(counts)
    (by_autograd,) = torch.autograd.grad(expected.sum(), [logits])
    torch.testing.assert_close(found, expected.detach())
    torch.testing.assert_close(gradient, by_autograd)
    assert torch.equal(logits.detach(), before)


def test_the_gradient_has_the_type_of_the_logits_and_the_losses_are_single_precision():
    losses, gradient = target_losses(torch.randn(1, 2, 5).bfloat16(), torch.tensor([[3, NO_TARGET]]))
    assert (losses.dtype, gradient.dtype) == (torch.float32, torch.bfloat16)
    assert gradient[0, 1].abs().max() == 0


def test_a_logit_of_minus_infinity_at_padded_places_changes_nothing():
    logits = torch.randn(2, 3, 5)
    logits[:, :, 0] = -torch.inf
    targets = torch.tensor([[1, 2, 3], [4, NO_TARGET, NO_TARGET]])
    losses, gradient = target_losses(logits, targets)
    assert torch.isfinite(losses).all()
    assert torch.isfinite(gradient).all()
