"""Scores of neurons: against ablation, and the choices made from them."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from tests.support.model_fixtures import BLOCK, tiny_model
from tgl.models.linear import mlps
from tgl.models.sublayers import sublayers
from tgl.train.neurons import FLOOR, attributions, highest, lowest_alike, scores

IDS = torch.randint(1, 300, (2, BLOCK), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("kind", ["gpt2", "llama", "opt"])
def test_an_attribution_is_the_change_of_the_loss_when_a_neuron_is_slightly_scaled(kind):
    """For one token, |a * g| is a finite difference. Llama's norms are in fp32, which limits its precision."""
    model = tiny_model(kind, spread=3).double()
    layers = mlps(model, sublayers(model))
    before = {name: p.clone() for name, p in model.named_parameters()}
    ids = IDS[
        :1, :2
    ]  # Only the first position has a target, and the second position's activation has no gradient.
    found = attributions(model, layers, ids)

    def loss(scale, mlp, neuron):
        def changed(_, inputs):
            value = inputs[0].clone()
            value[..., neuron] *= scale
            return (value,)

        handle = mlp.down.module.register_forward_pre_hook(changed)
        with torch.no_grad():
            logits = model(input_ids=ids).logits[0, :-1]
        handle.remove()
        return functional.cross_entropy(logits, ids[0, 1:], reduction="sum").item()

    for mlp in layers:
        for neuron in (0, 7):
            change = (loss(1.01, mlp, neuron) - loss(0.99, mlp, neuron)) / 0.02
            assert found[mlp.unit][neuron].item() == pytest.approx(abs(change), rel=0.02, abs=1e-5)
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())
    assert all(p.grad is None for p in model.parameters())


def test_attributions_are_means_over_tokens_of_all_sequences():
    model = tiny_model(spread=3)
    layers = mlps(model, sublayers(model))
    both = attributions(model, layers, IDS)
    each = [attributions(model, layers, IDS[number : number + 1]) for number in range(2)]
    for unit, value in both.items():
        assert torch.allclose(value, (each[0][unit] + each[1][unit]) / 2, rtol=1e-5)


values = st.lists(st.lists(st.floats(0, 10, width=32), min_size=1, max_size=8), min_size=1, max_size=4)


@given(values, st.floats(0.01, 1))
def test_the_highest_are_as_many_as_asked_and_none_outside_is_higher(given_values, share):
    by_unit = {str(number): torch.tensor(row) for number, row in enumerate(given_values)}
    masks = highest(by_unit, share)
    chosen = torch.cat([by_unit[unit][mask] for unit, mask in masks.items()])
    rest = torch.cat([by_unit[unit][~mask] for unit, mask in masks.items()])
    total = len(chosen) + len(rest)
    assert len(chosen) == max(1, round(share * total))
    assert len(rest) == 0 or chosen.min() >= rest.max()
    lowest = lowest_alike(by_unit, masks)
    for unit, mask in masks.items():
        assert lowest[unit].sum() == mask.sum()
        if 0 < mask.sum() < len(mask):
            assert by_unit[unit][lowest[unit]].max() <= by_unit[unit][~lowest[unit]].min()


def test_a_neuron_that_old_text_never_uses_has_a_finite_score():
    found = scores({"a": torch.tensor([1.0, 2.0, 1.0])}, {"a": torch.tensor([0.0, 1.0, 2.0])})["a"]
    assert found.tolist() == pytest.approx([1 / FLOOR, 2.0, 0.5])
    assert torch.isfinite(scores({"a": torch.ones(2)}, {"a": torch.zeros(2)})["a"]).all()
