"""Modules that run with a copy of their parameters for each example."""

import pytest
import torch
from torch import nn

from tgl.core.errors import TglError
from tgl.profiling.copies import Copied, split_of

BATCH, TIME = 3, 7


class Mixer(nn.Module):
    """Adds a bias of its own, and a mask if there is one."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.randn(4, dtype=torch.float64))

    def forward(self, x, mask=None):
        x = x * self.scale.exp()
        return x if mask is None else x + mask


def split(module, **options):
    x = torch.randn(BATCH, TIME, 4, dtype=torch.float64)
    return split_of(((x,), options), module(x, **options), batch=BATCH, time=TIME)


@pytest.mark.parametrize("frozen", [False, True])
def test_the_gradients_of_the_copies_are_those_of_the_examples(frozen):
    module, taken = Mixer(), {}
    module.scale.requires_grad_(not frozen)
    anchor = torch.zeros((), requires_grad=True)
    run = Copied(module, split(module), batch=2, anchor=anchor, take=lambda p, g: taken.update({p: g}))
    x = torch.randn(2, 5, 4, dtype=torch.float64)
    (run(x) ** 2).sum().backward()
    expected = [(2 * (one * module.scale.detach().exp()) ** 2).sum(0) for one in x]
    assert torch.allclose(taken[module.scale], torch.stack(expected))


def test_an_argument_that_the_trial_did_not_have_is_refused():
    module = Mixer()
    run = Copied(module, split(module, mask=None), batch=2, anchor=torch.zeros(()), take=lambda *_: None)
    x = torch.randn(2, 5, 4, dtype=torch.float64)
    assert torch.equal(run(x, mask=None), module(x))
    with pytest.raises(TglError, match="Mixer: found tensors in the arguments"):
        run(x, mask=torch.ones(2, 5, 4, dtype=torch.float64))


def test_a_result_without_examples_is_not_split():
    assert split_of(((torch.ones(BATCH, 4),), {}), torch.ones(4), batch=BATCH, time=TIME) is None
