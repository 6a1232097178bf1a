import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from tests.model_fixtures import BLOCK, CONFIGS, VOCABULARY, tiny_model
from tgl.errors import TglError
from tgl.evaluate.spans import SpanTokens
from tgl.profiling.norms import gradient_norms
from tgl.sublayers import sublayers


def examples_of(count, seed=0):
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        length = int(rng.integers(4, BLOCK + 1))
        found.append(SpanTokens(rng.integers(0, VOCABULARY, length).tolist(), int(rng.integers(1, length))))
    return found


def naive(model, examples):
    """Return (norms of each example, norm of the mean gradient) by unit, one backward pass an example."""
    units = sublayers(model)
    each, total = [], {}
    for example in examples:
        model.zero_grad()
        ids = torch.tensor([example.ids])
        logits = model(input_ids=ids).logits[0]
        targets = range(example.first, len(example.ids))
        loss = sum(functional.cross_entropy(logits[t - 1], ids[0, t]) for t in targets) / len(targets)
        loss.backward()
        row = []
        for unit in units:
            gradient = torch.cat([p.grad.double().flatten() for p in unit.parameters.values()])
            total[unit.name] = total.get(unit.name, 0) + gradient
            row.append(gradient.norm().item())
        each.append(row)
    model.zero_grad()
    return np.array(each), np.array([(total[unit.name] / len(examples)).norm().item() for unit in units])


def measured(model, examples):
    return gradient_norms(model, sublayers(model), examples)


@pytest.mark.parametrize("kind", CONFIGS)
def test_norms_equal_those_of_a_naive_loop(kind):
    model, examples = tiny_model(kind, spread=3), examples_of(5)
    each, of_mean = naive(model, examples)
    found = measured(model, examples)
    assert found.each == pytest.approx(each, rel=1e-4)
    assert found.of_mean == pytest.approx(of_mean, rel=1e-4)
    assert found.num_tokens.tolist() == [len(example.ids) - example.first for example in examples]


@pytest.mark.parametrize("kind", CONFIGS)
def test_norms_of_a_float64_model_agree_to_nine_digits(kind):
    model, examples = tiny_model(kind, spread=3).double(), examples_of(3)
    each, of_mean = naive(model, examples)
    found = measured(model, examples)
    assert found.each == pytest.approx(each, rel=1e-9)
    assert found.of_mean == pytest.approx(of_mean, rel=1e-9)


def test_norms_of_fp32_are_those_of_float64():
    examples = examples_of(5)
    exact = measured(tiny_model(spread=3).double(), examples)
    found = measured(tiny_model(spread=3), examples)
    assert found.each == pytest.approx(exact.each, rel=1e-4)
    assert found.of_mean == pytest.approx(exact.of_mean, rel=1e-4)


@settings(deadline=None, max_examples=20)
@given(st.permutations(range(5)))
def test_the_order_of_the_examples_does_not_matter(order):
    model, examples = tiny_model(spread=3), examples_of(5)
    found, again = measured(model, examples), measured(model, [examples[number] for number in order])
    assert again.each.tolist() == found.each[list(order)].tolist()
    assert again.of_mean == pytest.approx(found.of_mean, rel=1e-6)


def test_a_norm_does_not_depend_on_the_other_examples():
    model, examples = tiny_model(spread=3), examples_of(4)
    together = measured(model, examples).each
    alone = [measured(model, [example]).each[0] for example in examples]
    assert together.tolist() == [row.tolist() for row in alone]


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.integers(1, 5))
def test_the_norm_of_the_mean_is_at_most_the_mean_of_the_norms(seed, count):
    found = measured(tiny_model(spread=3), examples_of(count, seed))
    assert (found.of_mean <= found.each.mean(0) * (1 + 1e-6)).all()


def test_for_one_example_or_equal_ones_both_norms_agree():
    example = examples_of(1)[0]
    for count in (1, 3):
        found = measured(tiny_model(spread=3), [example] * count)
        assert found.of_mean == pytest.approx(found.each[0], rel=1e-6)


def test_frozen_and_leftover_gradients_change_nothing():
    model, examples = tiny_model(spread=3), examples_of(2)
    expected = measured(model, examples)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    found = measured(model, examples)
    assert found.each.tolist() == expected.each.tolist()
    assert all((parameter.grad == 1).all() for parameter in model.parameters())


def test_dropout_is_off_while_measuring():
    model = tiny_model(spread=3)
    model.train()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.5
    examples = examples_of(2)
    assert measured(model, examples).each.tolist() == measured(tiny_model(spread=3), examples).each.tolist()


def test_a_parameter_that_the_loss_does_not_depend_on_counts_zero():
    model, examples = tiny_model(spread=3), examples_of(2)
    expected = measured(model, examples)
    model.transformer.unused = torch.nn.Parameter(torch.ones(3))
    found = measured(model, examples)
    assert found.each.tolist() == expected.each.tolist()


def test_an_empty_group_is_refused():
    with pytest.raises(TglError, match="no example"):
        measured(tiny_model(), [])


def test_a_norm_that_is_not_finite_is_refused_with_example_and_unit():
    model, examples = tiny_model(), examples_of(3)
    examples = [SpanTokens([5 + token % 200 for token in example.ids], example.first) for example in examples]
    examples[1].ids[0] = 299
    with torch.no_grad():
        model.transformer.wte.weight[299] = torch.nan
    model.lm_head.weight = torch.nn.Parameter(torch.nan_to_num(model.lm_head.weight.detach()))  # untied
    with pytest.raises(TglError, match=r"example 1 .*block00\.attention"):
        measured(model, examples)
