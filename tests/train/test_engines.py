"""Both engines, step for step."""

import math
from contextlib import closing

import pytest
import torch
from torch import nn

from tests.support.model_fixtures import (
    RANKED,
    parameters_by_unit,
    parameters_of,
    plan_of,
    settings_of,
    some_tokens,
    tiny_model,
)
from tests.train.engine_runs import ENGINES, PARTLY, engine_of, run
from tgl.core.errors import TglError
from tgl.models.sublayers import EMBEDDING, sublayers
from tgl.plans.apply import freeze, parameter_groups
from tgl.train import engines
from tgl.train.engines import Regulariser, make_engine
from tgl.train.engines.interface import language_model_loss


def test_the_loss_is_the_mean_over_all_targets_of_the_batch():
    model, tokens = tiny_model(spread=8), torch.from_numpy(some_tokens(60)).long().reshape(3, 20)
    with torch.no_grad():
        found = language_model_loss(model, tokens).item()
        expected = 0.0
        for row in tokens:
            for position in range(1, 20):
                logits = model(input_ids=row[None, :position]).logits[0, -1].double()
                expected -= logits.log_softmax(-1)[row[position]].item()
    assert found == pytest.approx(expected / (3 * 19), abs=1e-5)


def test_the_plain_engine_lowers_the_loss_and_reports_it_before_the_step():
    engine, model, _ = engine_of("plain", plan_of([1, 1, 1, 1], 1.0))
    tokens = torch.from_numpy(some_tokens(64)).long().reshape(2, 32)
    before = language_model_loss(model, tokens).item()
    results = [engine.step(tokens, step, 1.0) for step in range(30)]
    assert results[0].loss == pytest.approx(before)
    assert results[-1].loss < before - 1


def test_the_gradient_norm_is_that_before_clipping_over_trained_parameters():
    engine, _, _ = engine_of("plain", clip_norm=1e-3)
    twin = tiny_model()
    tokens = torch.from_numpy(some_tokens(64)).long().reshape(2, 32)
    language_model_loss(twin, tokens).backward()
    owner = parameters_by_unit(twin)
    trained = [p for name, p in twin.named_parameters() if PARTLY.of(owner[name]) > 0]
    expected = math.sqrt(sum(p.grad.double().square().sum().item() for p in trained))
    assert engine.step(tokens, 0, 1.0).gradient_norm == pytest.approx(expected, rel=1e-5)
    assert expected > 1e-3


@pytest.mark.parametrize("name", ENGINES)
def test_frozen_tensors_stay_bit_identical_and_all_trained_sublayers_move(name):
    engine, model, settings = engine_of(name)
    before = parameters_of(model)
    run(engine, settings)
    owner = parameters_by_unit(model)
    moved = {owner[key] for key, p in model.named_parameters() if not torch.equal(p.detach(), before[key])}
    assert moved == {RANKED[1], RANKED[2]}


@pytest.mark.parametrize("zero_stage", [0, 1, 2, 3])
def test_deepspeed_gives_the_losses_and_gradient_norms_of_the_plain_engine(zero_stage):
    plain, _, settings = engine_of("plain", clip_norm=0.05)
    other, _, _ = engine_of("deepspeed", zero_stage=zero_stage, clip_norm=0.05)
    expected, found = run(plain, settings), run(other, settings)
    assert [r.loss for r in found] == pytest.approx([r.loss for r in expected], abs=1e-6)
    assert [r.gradient_norm for r in found] == pytest.approx([r.gradient_norm for r in expected], rel=1e-4)
    assert min(result.gradient_norm for result in expected) > 0.05  # clipping was at work


def test_deepspeed_gives_every_sublayer_the_rate_that_the_plain_engine_gives():
    plan = plan_of([0.5, 1.5, 0.0, 1.0], 0.25)
    plain, _, settings = engine_of("plain", plan)
    other, _, _ = engine_of("deepspeed", plan)
    for step in range(settings.steps):
        run(plain, settings, step, step + 1)
        run(other, settings, step, step + 1)
        assert other.rates() == pytest.approx(plain.rates(), rel=1e-12)
    assert set(plain.rates()) == {RANKED[0], RANKED[1], RANKED[3], EMBEDDING}


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_with_a_parameter_that_has_no_gradient_is_saved_and_resumed(name):
    """Text alone uses no weight of a vision tower, and AdamW keeps nothing of a weight without a gradient."""

    def made():
        model = tiny_model()
        model.transformer.h[0].mlp.idle = nn.Linear(2, 2)
        freeze(model, PARTLY)
        settings = settings_of(engine=name)
        groups = parameter_groups(sublayers(model), PARTLY, 0.01, weight_decay=0.1)
        return make_engine(model, groups, settings, engine=settings), settings

    whole, settings = made()
    expected = run(whole, settings)
    first, _ = made()
    run(first, settings, 0, 3)
    second, _ = made()
    second.load(first.state())
    assert run(second, settings, 3) == expected[3:]


@pytest.mark.parametrize("name", ENGINES)
def test_a_saved_engine_loaded_into_a_new_one_goes_on_identically(name):
    whole, model, settings = engine_of(name)
    expected = run(whole, settings)
    first, _, _ = engine_of(name)
    run(first, settings, 0, 3)
    saved = first.state()
    second, resumed, _ = engine_of(name)
    second.load(saved)
    assert run(second, settings, 3) == expected[3:]
    assert second.rates() == whole.rates()
    for key, value in model.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[key]), key


def in_phases(name, zero_stage=1):
    """Return weights, losses and norms of two phases of three steps on one model, a new engine each."""
    settings = settings_of(clip_norm=0.05, engine=name, zero_stage=zero_stage)
    model, results = tiny_model(), []
    for first, plan in ((0, PARTLY), (3, plan_of([1.0, 0.5, 0.0, 0.0]))):
        freeze(model, plan)
        groups = parameter_groups(sublayers(model), plan, 0.01, weight_decay=settings.weight_decay)
        with closing(make_engine(model, groups, settings, engine=settings)) as engine:
            results += run(engine, settings, first, first + 3)
    return parameters_of(model), results


@pytest.mark.parametrize("zero_stage", [0, 1, 2, 3])
def test_a_second_engine_on_one_model_is_not_disturbed_by_the_first(zero_stage):
    """As when a plan has phases: DeepSpeed leaves hooks and gradients on a model."""
    (expected, plain), (found, deepspeed) = in_phases("plain"), in_phases("deepspeed", zero_stage)
    assert [r.loss for r in deepspeed] == pytest.approx([r.loss for r in plain], abs=1e-6)
    assert [r.gradient_norm for r in deepspeed] == pytest.approx([r.gradient_norm for r in plain], rel=1e-4)
    before, owner = parameters_of(tiny_model()), parameters_by_unit(tiny_model())
    for key, value in expected.items():
        assert torch.allclose(found[key], value, atol=1e-5), key
        assert torch.equal(found[key], before[key]) == (owner[key] in (RANKED[3], EMBEDDING)), key


@pytest.mark.parametrize("name", ENGINES)
def test_a_trained_tied_embedding_stays_tied(name):
    engine, model, settings = engine_of(name, plan_of([0, 0, 0, 0], 1.0))
    before = model.lm_head.weight.detach().clone()
    run(engine, settings, 0, 2)
    assert model.lm_head.weight is model.transformer.wte.weight
    assert not torch.equal(model.lm_head.weight, before)


@pytest.mark.parametrize("name", ENGINES)
def test_a_loss_that_is_not_finite_stops_the_run(name):
    engine, model, _ = engine_of(name)
    with torch.no_grad():
        model.transformer.ln_f.weight.fill_(math.inf)
    with pytest.raises(TglError, match="lower the learning rate"):
        engine.step(torch.from_numpy(some_tokens(64)).long().reshape(2, 32), 0, 1.0)


def test_a_step_that_is_not_finite_leaves_the_plain_weights_alone():
    engine, model, _ = engine_of("plain")
    with torch.no_grad():
        model.transformer.ln_f.weight.fill_(math.inf)
    before = parameters_of(model)
    with pytest.raises(TglError):
        engine.step(torch.from_numpy(some_tokens(64)).long().reshape(2, 32), 0, 1.0)
    assert all(torch.equal(p.detach(), before[key]) for key, p in model.named_parameters())


def test_auto_is_the_plain_engine_without_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert type(engine_of("auto")[0]) is type(engine_of("plain")[0])


def test_auto_is_deepspeed_with_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(
        engines, "DeepSpeedEngine", lambda *given, engine, **more: ("deepspeed", engine.zero_stage)
    )
    assert engine_of("auto", zero_stage=2)[0] == ("deepspeed", 2)


class Adding(Regulariser):
    """Halves the task's rate at odd steps, adds the sum of a tensor to the loss, and counts its pulls."""

    def __init__(self, parameter):
        self.parameter, self.pulls = parameter, []

    def task_weight(self, number):
        return 0.5 if number % 2 else 1.0

    def penalty(self):
        return 3.0 * self.parameter.sum()

    def pull(self, groups, number, factor):
        self.pulls.append((number, factor, [group["lr"] for group in groups]))


def test_a_regulariser_weighs_the_rate_adds_to_the_loss_and_pulls_after_the_step():
    plan, settings, model = plan_of([0, 1, 0, 0]), settings_of(clip_norm=1e9), tiny_model()
    freeze(model, plan)
    bias = model.transformer.h[0].mlp.c_proj.bias
    regulariser = Adding(bias)
    groups = parameter_groups(sublayers(model), plan, 0.01, weight_decay=0.0)
    engine = make_engine(model, groups, settings, engine=settings, regulariser=regulariser)
    tokens = torch.from_numpy(some_tokens(64)).long().reshape(2, 32)
    task = language_model_loss(model, tokens)
    own = torch.autograd.grad(task, bias)[0]
    result = engine.step(tokens, 0, 0.5)
    assert result.loss == pytest.approx(task.item())  # without the penalty
    assert torch.allclose(bias.grad, own + 3.0, atol=1e-6)
    engine.step(tokens, 1, 0.5)
    assert [(number, scale) for number, scale, _ in regulariser.pulls] == [(0, 0.5), (1, 0.5)]
    assert [set(rates) for _, _, rates in regulariser.pulls] == [{0.005}, {0.0025}]
