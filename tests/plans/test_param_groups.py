"""`Plan.param_groups` with optimisers and schedulers of PyTorch, as anyone's own training loop uses it."""

import pytest
import torch

from tests.support.model_fixtures import (
    ARCHITECTURES,
    RANKED,
    parameters_by_unit,
    parameters_of,
    plan_of,
    some_tokens,
    tiny_model,
)
from tgl.core.errors import TglError
from tgl.models.sublayers import EMBEDDING, ranked, sublayers
from tgl.plans.plan import Phase, Plan
from tgl.train.engines.interface import language_model_loss

RATE = 0.01
VALUES = [0.5, 0.0, 2.0, 0.0]


def tokens(count=4):
    return torch.from_numpy(some_tokens(16 * count)).long().reshape(count, 16)


def step(model, optimiser):
    """Do one step and return the gradients by name."""
    optimiser.zero_grad()
    language_model_loss(model, tokens()).backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    optimiser.step()
    return gradients


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_gradient_descent_moves_each_tensor_by_its_sublayer_s_rate_and_frozen_ones_by_nothing(kind):
    model, plan = tiny_model(kind), plan_of(VALUES, 0.25)
    optimiser = torch.optim.SGD(plan.param_groups(model, RATE), lr=123.0)
    before, owner = parameters_of(model), parameters_by_unit(model)
    gradients = step(model, optimiser)
    for name, parameter in model.named_parameters():
        multiplier = plan.of(owner[name])
        if multiplier == 0:
            assert name not in gradients
            assert torch.equal(parameter, before[name])
        else:
            assert torch.allclose(parameter, before[name] - RATE * multiplier * gradients[name], atol=1e-7), (
                name
            )


@pytest.mark.parametrize("optimiser_of", [torch.optim.AdamW, torch.optim.Adam, torch.optim.Adagrad])
def test_under_any_optimiser_exactly_the_trained_sublayers_move(optimiser_of):
    model, plan = tiny_model(), plan_of(VALUES)
    optimiser = optimiser_of(plan.param_groups(model, RATE, weight_decay=0.1))
    before, owner = parameters_of(model), parameters_by_unit(model)
    for _ in range(3):
        step(model, optimiser)
    moved = {owner[name] for name, p in model.named_parameters() if not torch.equal(p.detach(), before[name])}
    assert moved == {RANKED[0], RANKED[2]}


@pytest.mark.parametrize("kind", sorted(ARCHITECTURES))
def test_every_trained_tensor_is_in_one_group_at_its_rate(kind):
    model = tiny_model(kind)
    names = [unit.name for unit in ranked(sublayers(model))]
    plan = Plan("mine", 0.0, {name: (0.0, 1.5)[number % 2] for number, name in enumerate(names)})
    found = [
        (id(parameter), group["lr"])
        for group in plan.param_groups(model, RATE)
        for parameter in group["params"]
    ]
    owner = parameters_by_unit(model)
    expected = [(id(p), RATE * 1.5) for name, p in model.named_parameters() if plan.of(owner[name]) > 0]
    assert sorted(found) == sorted(expected)
    assert expected


def test_a_scheduler_scales_every_group_s_own_rate():
    model, plan = tiny_model(), plan_of(VALUES, 1.0)
    optimiser = torch.optim.AdamW(plan.param_groups(model, RATE))
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1 / (1 + step))
    for done in range(4):
        rates = {name: group["lr"] for group in optimiser.param_groups for name in group["units"]}
        expected = {RANKED[0]: 0.5, RANKED[2]: 2.0, EMBEDDING: 1.0}
        assert rates == {name: pytest.approx(RATE * value / (1 + done)) for name, value in expected.items()}
        step(model, optimiser)
        scheduler.step()


def test_norms_and_biases_get_no_weight_decay_and_nothing_does_unless_asked():
    model, plan = tiny_model(), plan_of([1.0, 1.0, 2.0, 0.0], 1.0)
    assert {group["weight_decay"] for group in plan.param_groups(model, RATE)} == {0.0}
    groups = plan.param_groups(model, RATE, weight_decay=0.1)
    for group in groups:
        assert group["params"]
        assert {p.dim() >= 2 for p in group["params"]} == {group["weight_decay"] == 0.1}
    kinds = [(group["lr"], group["weight_decay"]) for group in groups]
    assert sorted(kinds) == [(0.01, 0.0), (0.01, 0.1), (0.02, 0.0), (0.02, 0.1)]


def test_another_plan_on_the_same_model_thaws_what_it_trains():
    model = tiny_model()
    plan_of([1, 0, 0, 0]).param_groups(model, RATE)
    plan_of([0, 0, 0, 1]).param_groups(model, RATE)
    owner = parameters_by_unit(model)
    assert {owner[name] for name, p in model.named_parameters() if p.requires_grad} == {RANKED[3]}


def test_a_plan_with_phases_is_refused_before_anything_is_frozen():
    model = tiny_model()
    later = tuple(Phase(share, plan_of([0, 1, 0, 0]).multipliers) for share in (0.25, 0.5))
    plan = Plan("lisa", 0.0, plan_of([1, 0, 0, 0]).multipliers, later=later)
    with pytest.raises(
        TglError, match=r"plan 'lisa': it has 3 phases.*its own optimiser.*plan\.schedule\(steps\)"
    ):
        plan.param_groups(model, RATE)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_each_phase_by_itself_gives_groups_of_what_it_trains():
    model, owner = tiny_model(), parameters_by_unit(tiny_model())
    later = (Phase(0.5, plan_of([0, 1, 0, 0]).multipliers),)
    plan = Plan("lisa", 0.0, plan_of([1, 0, 0, 0]).multipliers, later=later)
    moved = []
    for _, own in plan.schedule(4):
        before = parameters_of(model)
        step(model, torch.optim.AdamW(own.param_groups(model, RATE)))
        moved.append(
            {owner[n] for n, p in model.named_parameters() if not torch.equal(p.detach(), before[n])}
        )
    assert moved == [{RANKED[0]}, {RANKED[1]}]


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (plan_of([0, 0, 0, 0]), "nothing would be trained"),
        (Plan("mine", 0.0, dict.fromkeys(RANKED[:3], 1.0)), r"no multiplier for sublayer 'block01\.mlp'"),
        (Plan("mine", 0.0, dict.fromkeys([*RANKED, "block02.mlp"], 1.0)), r"no sublayer \['block02\.mlp'\]"),
    ],
    ids=["nothing", "too few", "too many"],
)
def test_a_plan_that_does_not_fit_the_model_is_refused(plan, words):
    with pytest.raises(TglError, match=words):
        plan.param_groups(tiny_model(), RATE)
