"""LoRA in one period. Between periods: `test_lora_periods`; adapters themselves: `tests.train.test_lora`."""

import dataclasses

import pytest
import torch

from tests.support.model_fixtures import RANKED, parameters_of, plan_of, settings_of, tiny_model
from tests.train.baselines.periods import baseline_of, in_two_phases, period_of, trained
from tests.train.lora_layouts import KINDS, model_of, projections, rank_of, weights_by_role
from tgl.core.errors import TglError
from tgl.models.sublayers import sublayers
from tgl.plans.plan import Plan
from tgl.train.lora import lora_config, with_lora

SECOND = plan_of([0.0, 0.0, 1.0, 0.0])
BOTH = plan_of([1.0, 0.0, 1.0, 0.0])


@pytest.mark.parametrize("kind", KINDS)
def test_after_training_and_merging_query_and_value_alone_have_changed_by_the_rank_at_most(kind):
    model = model_of(kind)
    keys, before = set(model.state_dict()), parameters_of(model)
    merged, results, _ = trained(baseline_of("lora", rank=2), period_of(SECOND, model))
    assert results[-1].loss != results[0].loss
    assert set(merged.state_dict()) == keys
    (was, rest_was), (now, rest_now) = (weights_by_role(kind, p) for p in (before, parameters_of(merged)))
    assert all(torch.equal(rest_now[name], rest_was[name]) for name in rest_was)
    ranks = {}
    for (name, role), weight in was.items():
        second = ".1." in name
        if second and role in "qv":
            ranks[role] = rank_of(now[name, role] - weight)
        else:
            assert torch.equal(now[name, role], weight), (name, role)
    assert ranks == {"q": 2, "v": 2}


@pytest.mark.parametrize(
    ("multipliers", "expected"), [("rates", {0: 0.005, 2: 0.0175}), ("ranks", {0: 0.01, 2: 0.01})]
)
def test_multipliers_scale_the_realised_rates_or_else_leave_them(multipliers, expected):
    plan = plan_of([0.5, 1.0, 1.75, 0.0])
    settings = settings_of(steps=4, warmup_share=0.5, decay="constant")
    baseline = baseline_of("lora", multipliers=multipliers, rank=2)
    _, _, rates = trained(baseline, period_of(plan, settings=settings))
    assert rates[-1] == pytest.approx({RANKED[number]: rate for number, rate in expected.items()})
    assert rates[0] == pytest.approx({name: rate / 2 for name, rate in rates[-1].items()})
    assert baseline.prepare(period_of(plan)).trained == {RANKED[0], RANKED[2]}


@pytest.mark.parametrize("number", [0, 1])
def test_only_the_adapters_of_a_phase_take_gradients_and_none_decays(number):
    period, baseline = period_of(in_two_phases([1.0, 0, 0, 0], [0.5, 0, 2.0, 0])), baseline_of("lora")
    prepared = baseline.prepare(period)
    adapted = prepared.module
    for _, phase in period.plan.schedule(6)[: number + 1]:
        groups = prepared.groups(phase)
    held = {id(parameter) for group in groups for parameter in group["params"]}
    wanted = {name: p for name, p in adapted.named_parameters() if p.requires_grad}
    assert {id(p) for p in wanted.values()} == held
    assert all(".lora_" in name for name in wanted)
    assert {int(name.split(".h.")[1][0]) for name in wanted} == {0, number}
    assert {group["weight_decay"] for group in groups} == {0.0}


def test_the_key_stays_and_so_does_a_sublayer_that_is_frozen_in_a_phase():
    plan, seen = in_two_phases([1.0, 0, 0, 0], [0, 0, 1.0, 0]), []
    period, baseline = period_of(plan), baseline_of("lora")
    before, prepare = parameters_of(period.model), baseline.prepare

    def watched(period):
        prepared = prepare(period)

        def groups(phase):
            parameters = period.model.named_parameters()
            seen.append({name: p.clone() for name, p in parameters if ".lora_B." in name})
            return prepared.groups(phase)

        return dataclasses.replace(prepared, groups=groups)

    baseline.prepare = watched
    merged, _, rates = trained(baseline, period)
    assert [set(found) for found in (rates[0], rates[-1])] == [{RANKED[0]}, {RANKED[2]}]
    first, second = ([p.abs().max() > 0 for p in found.values()] for found in seen)
    assert (first, second) == ([False, False], [True, False])
    (was, _), (now, _) = (weights_by_role("gpt2", p) for p in (before, parameters_of(merged)))
    assert {role for (name, role), weight in now.items() if not torch.equal(weight, was[name, role])} == set(
        "qv"
    )


def test_adapters_are_drawn_from_the_period_s_seed_whatever_was_drawn_before():
    found = []
    for seed in (1, 1, 2):
        torch.rand(len(found) + 1)
        adapted = baseline_of("lora").prepare(period_of(BOTH, tiny_model(), seed=seed)).module
        found.append(torch.cat([layer.lora_A["default"].weight for _, layer in projections(adapted)]))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
    state = torch.random.get_rng_state()
    baseline_of("lora").prepare(period_of(BOTH))  # and what others draw is unchanged
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("kind", ["mamba", "tgl_gru", "rwkv"])
def test_architectures_without_attention_are_refused_with_the_reason(kind):
    model = tiny_model(kind)
    plan = Plan("all of it", 0.0, {unit.name: 1.0 for unit in sublayers(model)[:-1]})
    for refused in (
        lambda: baseline_of("lora").check(plan, 0.01),
        lambda: lora_config(plan, model),
        lambda: with_lora(model, plan),
        lambda: baseline_of("lora").prepare(period_of(plan, model)),
    ):
        with pytest.raises(TglError, match=r"^lora: the plan 'all of it' trains no attention sublayer"):
            refused()


@pytest.mark.parametrize(
    ("plan", "reason"),
    [
        (plan_of([0.0, 1.0, 0.0, 1.0]), r"'by hand' trains no attention sublayer.* another baseline"),
        (in_two_phases([1.0, 0, 0, 0], [0, 1.0, 0, 0]), r"'by hand' in phase 2 of 2 trains no attention"),
        (in_two_phases([0, 1.0, 0, 0], [1.0, 0, 0, 0]), r"'by hand' in phase 1 of 2 trains no attention"),
        (plan_of([1.0, 0.0, 0.0, 0.0], 1.0), r"'by hand' trains the unit embedding, but LoRA"),
    ],
)
def test_plans_that_lora_cannot_train_are_refused_before_anything_trains(plan, reason):
    with pytest.raises(TglError, match="^lora: the plan " + reason):
        baseline_of("lora").check(plan, 0.01)
    baseline_of("lora").check(in_two_phases([1.0, 1.0, 0, 0], [0, 1.0, 0.5, 0]), 0.01)


def test_a_plan_of_another_model_is_refused():
    other = plan_of([1.0] * 4).multipliers | {"block02.attention": 1.0}
    with pytest.raises(TglError, match=r"no sublayer \['block02\.attention'\]"):
        baseline_of("lora").prepare(period_of(dataclasses.replace(BOTH, multipliers=other)))
    fewer = dict.fromkeys(RANKED[:2], 1.0)
    with pytest.raises(TglError, match=r"no multiplier for sublayer 'block01\.attention'"):
        baseline_of("lora").prepare(period_of(dataclasses.replace(BOTH, multipliers=fewer)))
