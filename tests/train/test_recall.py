import math

import pytest
import torch

from tests.support.model_fixtures import RANKED, parameters_by_unit, parameters_of, plan_of, tiny_model
from tests.train.baselines.periods import EVERYTHING
from tests.train.recall_runs import TOKENS, engine_of
from tgl.models.sublayers import sublayers
from tgl.plans.plan import Plan
from tgl.train.baselines.recadam import RecadamConfig
from tgl.train.engines import plain
from tgl.train.recall import Recall


def recall_of(steps, model=None, **settings):
    return Recall(list(model.parameters()) if model else [], steps, RecadamConfig(**settings))


def moved_away(model, seed=5):
    """Move every parameter somewhere else, by a tenth or so."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 + 0.1 * torch.rand(parameter.shape, generator=generator))


@pytest.fixture
def no_task(monkeypatch):
    """Let the task's gradient be zero for every parameter."""

    def nothing(model, tokens, regulariser):
        loss = sum(0.0 * parameter.sum() for parameter in model.parameters())
        return loss, loss.detach()

    monkeypatch.setattr(plain, "pass_losses", nothing)


@pytest.mark.usefixtures("no_task")
@pytest.mark.parametrize("kind", ["gpt2", "llama", "tgl_gru"])
def test_without_a_task_every_trained_parameter_comes_nearer_its_anchor_by_the_stated_factor(kind):
    model = tiny_model(kind)
    names = [unit.name for unit in sublayers(model)][:-1]
    multipliers = dict(zip(names, [0.0, 1.5, 0.5, 0.0] if len(names) == 4 else [0.0, 1.5], strict=True))
    plan, owner = Plan("by hand", 0.25, multipliers), parameters_by_unit(model)
    anchors = parameters_of(model)
    regulariser = recall_of(8, model, strength=40.0, midpoint_share=0.25, rise_share=0.5)
    moved_away(model)
    engine = engine_of(model, plan, regulariser)
    for number, factor in ((0, 0.5), (1, 1.0), (2, 0.8), (5, 0.3)):
        before = parameters_of(model)
        engine.step(TOKENS, number, factor)
        # k = 4 / (0.5 * 8), t0 = 0.25 * 8
        pull = 0.01 * factor * 40.0 * (1 - 1 / (1 + math.exp(-1.0 * (number - 2))))
        for name, value in parameters_of(model).items():
            expected = before[name] - plan.of(owner[name]) * pull * (before[name] - anchors[name])
            assert torch.allclose(value, expected, rtol=0, atol=1e-6), name
            frozen = plan.of(owner[name]) == 0
            assert torch.equal(value, before[name]) == frozen, name


@pytest.mark.usefixtures("no_task")
def test_the_distance_to_the_anchor_shrinks_to_almost_nothing_over_a_run():
    model = tiny_model()
    anchors = parameters_of(model)
    regulariser = recall_of(60, model, strength=50.0)
    moved_away(model)
    engine = engine_of(model, EVERYTHING, regulariser)
    for number in range(15):
        engine.step(TOKENS, number, 1.0)
    left = max((value - anchors[name]).abs().max().item() for name, value in parameters_of(model).items())
    assert 0 < left < 0.01


def test_one_step_is_adam_s_at_the_weight_of_the_task_and_the_pull():
    settings = {"strength": 1.0, "midpoint_share": 0.25, "rise_share": 0.5}
    model, twin, plan = tiny_model(), tiny_model(), plan_of([1.0, 0.5, 0.0, 2.0])
    anchors, owner = parameters_of(model), parameters_by_unit(model)
    regulariser = recall_of(8, model, **settings)
    moved_away(model)
    moved_away(twin)
    weight = 1 / (1 + math.exp(2))
    engine = engine_of(model, plan, regulariser)
    before = parameters_of(model)
    engine.step(TOKENS, 0, 1.0)
    # The same step of Adam alone, at the weighted rate.
    engine_of(twin, plan, None, rate=0.01 * weight).step(TOKENS, 0, 1.0)
    expected, found = parameters_of(twin), parameters_of(model)
    for name, value in before.items():
        pulled = plan.of(owner[name]) * 0.01 * (1 - weight) * (value - anchors[name])
        assert torch.allclose(found[name], expected[name] - pulled, rtol=0, atol=1e-4), name
        if plan.of(owner[name]) > 0:
            assert pulled.abs().min() > 4e-4  # the pull would be missed
    assert engine.rates() == pytest.approx({name: 0.01 * plan.of(name) * weight for name in engine.rates()})


def test_the_task_s_weight_is_a_half_at_the_midpoint_and_rises_over_the_stated_share():
    for steps in (60, 6000):
        regulariser = recall_of(steps, midpoint_share=0.25, rise_share=0.2)
        assert regulariser.task_weight(steps // 4) == 0.5
        below, above = (regulariser.task_weight(round(steps * share)) for share in (0.15, 0.35))
        assert below == pytest.approx(1 / (1 + math.e**2))
        assert above == pytest.approx(1 - below)
        weights = [regulariser.task_weight(round(steps * share / 20)) for share in range(21)]
        assert weights == sorted(weights)
        assert weights[-1] > 0.999


@pytest.mark.parametrize("rise", [1e-3, 1e-6])
def test_a_rise_as_steep_as_a_step_does_not_overflow(rise):
    regulariser = recall_of(60, midpoint_share=0.5, rise_share=rise)
    assert [regulariser.task_weight(number) for number in (0, 29, 30, 31, 59)] == [0.0, 0.0, 0.5, 1.0, 1.0]


def test_sublayers_of_another_phase_are_not_pulled():
    model = tiny_model()
    regulariser = recall_of(8, model, strength=10.0)
    moved_away(model)
    before, owner = parameters_of(model), parameters_by_unit(model)
    engine_of(model, plan_of([0.0, 0.0, 1.0, 0.0]), regulariser).step(TOKENS, 0, 1.0)
    moved = {
        owner[name] for name, value in parameters_of(model).items() if not torch.equal(value, before[name])
    }
    assert moved == {RANKED[2]}


@pytest.mark.usefixtures("no_task")
@pytest.mark.parametrize("number", [0, 3, 7])
def test_weight_decay_does_not_depend_on_the_weight_of_the_task(number):
    """As in the authors' code, where decay follows the step of the task and the pull."""
    model = tiny_model()
    regulariser = recall_of(8, model, strength=1e-9, midpoint_share=0.25, rise_share=0.5)
    moved_away(model)
    engine = engine_of(model, EVERYTHING, regulariser, rate=0.1, weight_decay=0.5)
    before = parameters_of(model)
    engine.step(TOKENS, number, 1.0)
    decaying = [
        p for group in engine.optimiser.param_groups if group["weight_decay"] for p in group["params"]
    ]
    names = {name for name, p in model.named_parameters() if any(p is other for other in decaying)}
    assert names
    for name, value in parameters_of(model).items():
        wanted = before[name] * (1 - 0.1 * 0.5 if name in names else 1)
        assert torch.allclose(value, wanted, rtol=2e-3, atol=1e-7), name
