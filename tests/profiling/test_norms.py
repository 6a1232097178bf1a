import functools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.model_fixtures import ARCHITECTURES, sharp_model, some_examples, tiny_model
from tgl.core.errors import TglError
from tgl.evaluate.spans import SpanTokens
from tgl.models.sublayers import sublayers
from tgl.profiling.coverage import cover
from tgl.profiling.norms import CHECK_TOLERANCE, check_norms, gradient_norms

few = settings(deadline=None, max_examples=15)
# GPT-Neo computes its attention in float32 whatever the model's type, Gemma its norms, and Mamba returns its logits in
# float32: float64 cannot be exact there.
EXACT = {"gpt_neo": 1e-7, "gemma": 1e-7, "mamba": 1e-6}
COUNT = 9


def naive(model, examples):
    """Return (norms of each example, norm of the mean gradient, losses): one backward pass an example."""
    units = sublayers(model)
    # In evaluation mode RWKV rescales its weights in place: the gradients would be those of other weights.
    model.train(model.config.model_type == "rwkv")
    each, losses, total = [], [], {unit.name: 0 for unit in units}
    for example in examples:
        model.zero_grad()
        log_p = model(input_ids=torch.tensor([example.ids]), use_cache=False).logits[0].log_softmax(-1)
        targets = range(example.first, len(example.ids))
        loss = -torch.stack([log_p[place - 1, example.ids[place]] for place in targets]).mean()
        loss.backward()
        row = []
        for unit in units:
            grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in unit.parameters.values()]
            whole = torch.cat([grad.double().flatten() for grad in grads])
            total[unit.name] = total[unit.name] + whole
            row.append(whole.norm().item())
        each.append(row)
        losses.append(loss.item())
    model.zero_grad()
    of_mean = [(total[unit.name] / len(examples)).norm().item() for unit in units]
    return np.array(each), np.array(of_mean), np.array(losses)


@functools.cache
def reference(kind):
    """Return the naive norms of the float64 model, computed once."""
    return naive(sharp_model(kind).double(), some_examples(COUNT))


@functools.cache
def shared_model():
    """Return a model for tests that leave it as it was."""
    return sharp_model("gpt2")


def untied_model():
    """Return a model whose embedding can be damaged without damage to its head."""
    return sharp_model("llama")


def measured(model, examples, **options):
    return gradient_norms(model, sublayers(model), examples, **options)


def agrees(found, expected, rel):
    each, of_mean, losses = expected
    assert found.each == pytest.approx(each, rel=rel)
    assert found.losses == pytest.approx(losses, rel=rel)
    if found.of_mean is not None:
        assert found.of_mean == pytest.approx(of_mean, rel=rel)


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_fp32_norms_and_losses_equal_those_of_a_naive_loop_in_float64(kind):
    model, examples = sharp_model(kind), some_examples(COUNT)
    each, _, losses = reference(kind)
    assert (each > 0).all()
    assert np.abs(losses - np.log(300)).max() > 0.3  # what the spread of the weights is for
    for batch_tokens, mean in ((1024, True), (40, False), (100, True)):
        found = measured(model, examples, batch_tokens=batch_tokens, mean=mean)
        assert (found.of_mean is not None) == mean
        agrees(found, reference(kind), 1e-5)
    assert found.num_tokens.tolist() == [len(example.ids) - example.first for example in examples]


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_float64_norms_and_losses_equal_those_of_a_naive_loop(kind):
    model, examples = sharp_model(kind).double(), some_examples(COUNT)
    for batch_tokens, mean in ((1024, False), (64, True)):
        found = measured(model, examples, batch_tokens=batch_tokens, mean=mean)
        agrees(found, reference(kind), EXACT.get(kind, 1e-9))


@few
@given(st.permutations(range(7)), st.integers(0, 3), st.sampled_from([1, 50, 200, 1024]))
def test_the_order_of_the_examples_does_not_change_a_bit(order, seed, batch_tokens):
    examples = some_examples(6, seed)
    examples.append(examples[2])
    found = measured(shared_model(), examples, batch_tokens=batch_tokens)
    again = measured(shared_model(), [examples[n] for n in order], batch_tokens=batch_tokens)

    def rows(norms, numbers):  # of equal examples, either may come first in its batch
        each = zip(numbers, norms.each.tolist(), norms.losses.tolist(), strict=True)
        return sorted((examples[n].ids, row, loss) for n, row, loss in each)

    assert rows(again, order) == rows(found, range(7))
    assert again.of_mean.tolist() == found.of_mean.tolist()


@few
@given(st.sets(st.integers(0, 6), min_size=1), st.sampled_from([1, 50, 200, 1024]))
def test_what_else_is_in_the_batch_changes_nothing_beyond_rounding(chosen, batch_tokens):
    examples, chosen = some_examples(7), sorted(chosen)
    together = measured(shared_model(), examples)
    found = measured(shared_model(), [examples[n] for n in chosen], batch_tokens=batch_tokens)
    assert found.each == pytest.approx(together.each[chosen], rel=1e-5)
    assert found.losses == pytest.approx(together.losses[chosen], rel=1e-5)


@few
@given(st.integers(0, 10**6), st.integers(1, 6))
def test_the_norm_of_the_mean_is_at_most_the_mean_of_the_norms(seed, count):
    found = measured(shared_model(), some_examples(count, seed))
    assert (found.of_mean <= found.each.mean(0) * (1 + 1e-6)).all()
    if count == 1:
        assert found.of_mean == pytest.approx(found.each[0], rel=1e-5)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("kind", ["gpt2", "mamba", "rwkv"])
def test_flags_gradients_and_mode_are_put_back_and_no_hook_stays(kind, training):
    model = sharp_model(kind)
    model.train(training)
    parameters = list(model.parameters())
    for number, parameter in enumerate(parameters):
        parameter.requires_grad_(number % 3 == 0)
        parameter.grad = torch.full_like(parameter, 2.0)
    before = [parameter.detach().clone() for parameter in parameters]
    units, examples = sublayers(model), some_examples(3)
    coverage = cover(model, units)
    found = gradient_norms(model, units, examples, coverage=coverage)
    check_norms(model, units, examples[:1], coverage=coverage)
    assert found.each == pytest.approx(naive(sharp_model(kind).double(), examples)[0], rel=1e-5)
    assert model.training == training
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert [parameter.requires_grad for parameter in parameters] == [
        n % 3 == 0 for n in range(len(parameters))
    ]
    assert all((parameter.grad == 2).all() for parameter in parameters)
    assert all(torch.equal(old, new) for old, new in zip(before, parameters, strict=True))


def test_flags_and_mode_are_put_back_after_an_error():
    model = untied_model().train()
    with torch.no_grad():
        model.model.embed_tokens.weight.fill_(torch.nan)
    model.lm_head.weight.requires_grad_(False)
    with pytest.raises(TglError):
        measured(model, some_examples(2))
    assert model.training
    assert [n for n, p in model.named_parameters() if not p.requires_grad] == ["lm_head.weight"]


def test_dropout_is_off_while_measuring():
    model, examples = sharp_model("gpt2"), some_examples(3)
    expected = measured(model, examples)
    model.train()
    dropouts = [module for module in model.modules() if isinstance(module, torch.nn.Dropout)]
    assert dropouts
    for module in dropouts:
        module.p = 0.5
    assert measured(model, examples).each.tolist() == expected.each.tolist()


def test_a_parameter_that_the_loss_does_not_depend_on_counts_zero():
    model, examples = sharp_model("gpt2"), some_examples(3)
    expected = measured(model, examples)
    model.transformer.unused = torch.nn.Parameter(torch.ones(3))
    found = measured(model, examples)
    assert found.each == pytest.approx(expected.each, rel=1e-5)
    assert found.of_mean == pytest.approx(expected.of_mean, rel=1e-5)
    check_norms(model, sublayers(model), examples[:1], coverage=cover(model, sublayers(model)))


def test_a_unit_that_the_loss_does_not_depend_on_has_a_norm_of_zero():
    model = sharp_model("gpt2")
    model.transformer.h[1].mlp.forward = torch.zeros_like
    found = measured(model, some_examples(3))
    # The norm before the sublayer is in the same unit and as unused.
    assert found.each[:, 3].tolist() == [0.0] * 3
    assert found.of_mean[3] == 0
    assert (found.each[:, :3] > 0).all()


def test_parameters_to_which_autograd_hands_the_same_gradient_add_up_apart():
    # The gradients of a and b in a + b are one tensor: a sum over batches in place would count them twice.
    model = sharp_model("gpt2").double()
    body, norm = model.transformer, model.transformer.ln_f
    body.a, body.b = (torch.nn.Parameter(torch.zeros(16, dtype=torch.float64)) for _ in range(2))
    original = norm.forward
    norm.forward = lambda x: original(x) + (body.a + body.b)
    examples = some_examples(4)
    agrees(measured(model, examples, batch_tokens=1), naive(model, examples), 1e-9)


@few
@given(st.sets(st.integers(0, 7), min_size=1, max_size=7), st.sampled_from([1, 60, 1024]))
def test_an_example_without_finite_gradients_is_left_out_and_harms_no_other(bad, batch_tokens):
    examples = [SpanTokens([1 + t % 200 for t in e.ids], e.first) for e in some_examples(8)]
    good = [number for number in range(8) if number not in bad]
    expected = measured(untied_model(), [examples[number] for number in good])
    for number in bad:
        examples[number] = SpanTokens([299, *examples[number].ids[1:]], examples[number].first)
    model = untied_model()
    with torch.no_grad():
        model.model.embed_tokens.weight[299] = torch.nan
    found = measured(model, examples, batch_tokens=batch_tokens)
    assert found.finite.tolist() == [number not in bad for number in range(8)]
    assert found.each[good] == pytest.approx(expected.each, rel=1e-5)
    assert found.of_mean == pytest.approx(expected.of_mean, rel=1e-5)
    assert np.isfinite(found.losses[good]).all()


def test_a_group_without_any_finite_gradient_is_refused():
    model = untied_model()
    with torch.no_grad():
        model.model.norm.weight[0] = torch.inf
    for mean in (True, False):
        with pytest.raises(TglError, match="none of the 3 examples has finite gradients"):
            measured(model, some_examples(3), mean=mean)


def test_an_empty_group_is_refused():
    with pytest.raises(TglError, match="holds no example"):
        measured(tiny_model(), [])


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_the_check_against_autograd_finds_no_deviation(kind):
    model = sharp_model(kind)
    units = sublayers(model)
    assert check_norms(model, units, some_examples(2), coverage=cover(model, units)) < 1e-5


def test_the_check_notices_a_weight_that_is_used_outside_its_module():
    model = sharp_model("gpt2")
    mlp = model.transformer.h[1].mlp
    original = mlp.forward
    # c_fc maps 16 to 64 and c_proj back: its weight a second time, past the module that hooks see.
    mlp.forward = lambda x: original(x) + x @ mlp.c_fc.weight @ mlp.c_fc.weight.T
    units = sublayers(model)
    with pytest.raises(TglError, match=r"'block01\.mlp' is .* by hooks and .* by autograd"):
        check_norms(model, units, some_examples(2), coverage=cover(model, units))


def test_the_check_measures_the_largest_deviation_of_any_unit(monkeypatch):
    model, example = sharp_model("gpt2"), some_examples(1)[0]
    units = sublayers(model)
    coverage = cover(model, units)
    right = gradient_norms

    def wrong(*arguments, **options):
        found = right(*arguments, **options)
        found.each[:, 2] *= 1 + factor
        return found

    monkeypatch.setattr("tgl.profiling.norms.gradient_norms", wrong)
    factor = CHECK_TOLERANCE / 2
    assert check_norms(model, units, [example], coverage=coverage) == pytest.approx(factor, rel=0.01)
    for deviation in (CHECK_TOLERANCE * 2, -CHECK_TOLERANCE * 2, np.nan):
        factor = deviation
        with pytest.raises(TglError, match=r"'block01\.attention'"):
            check_norms(model, units, [example], coverage=coverage)
