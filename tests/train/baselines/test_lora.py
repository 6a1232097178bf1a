"""LoRA in one period. Between periods: `test_lora_periods`."""

import dataclasses

import pytest
import torch
from peft import get_peft_model

from tests.model_fixtures import RANKED, parameters_of, plan_of, settings_of, some_tokens, tiny_model
from tests.train.baselines.lora_layouts import FUSED, KINDS, by_role, model_of, rank_of, weights_by_role
from tests.train.baselines.periods import baseline_of, in_two_phases, period_of, trained
from tgl.errors import TglError
from tgl.plans.plan import Plan
from tgl.sublayers import sublayers
from tgl.train.baselines.lora import lora_config, with_lora
from tgl.train.engines.interface import language_model_loss

SECOND = plan_of([0.0, 0.0, 1.0, 0.0])
BOTH = plan_of([1.0, 0.0, 1.0, 0.0])
TOKENS = torch.from_numpy(some_tokens(64)).long().reshape(2, 32)


def projections(adapted):
    """Return (name, layer) of the projections with adapters."""
    return [(name, m) for name, m in adapted.base_model.model.named_modules() if hasattr(m, "lora_A")]


def after_a_large_step(kind, plan=SECOND, **settings):
    """Return the adapted model after one step of gradient descent that leaves adapters of the size of one."""
    adapted = with_lora(model_of(kind), plan, **settings)
    language_model_loss(adapted, TOKENS).backward()
    with torch.no_grad():
        for _, layer in projections(adapted):
            up = layer.lora_B["default"].weight
            up.sub_(up.grad.sign())
    return adapted


@pytest.mark.parametrize("kind", KINDS)
def test_an_adapter_adds_alpha_over_rank_times_b_a_x_to_query_and_value_and_nothing_to_the_key(kind):
    torch.manual_seed(3)
    adapted = after_a_large_step(kind, rank=2, alpha=12.0)
    seen = []
    for name, layer in projections(adapted):
        assert name.split(".")[2 if kind != "opt" else 3] == "1"  # the second block, as the plan says
        x = torch.randn(4, 16)
        down, up = layer.lora_A["default"].weight, layer.lora_B["default"].weight
        assert down.shape[0] == (4 if kind in FUSED else 2)
        added = (layer(x) - layer.base_layer(x)).T  # [out, 4]
        assert torch.allclose(added, 12.0 / 2 * up @ down @ x.T, atol=1e-4)
        for role, rows in by_role(kind, name, added).items():
            assert (rows.abs().max() > 0.1) == (role in "qv"), role
            seen.append(role)
    assert set("qv") <= set(seen) <= set("qkv")


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


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_the_merged_model_predicts_what_the_adapted_one_did(kind):
    adapted = after_a_large_step(kind, BOTH, rank=3)
    with torch.no_grad():
        expected = adapted(input_ids=TOKENS).logits
        plain = model_of(kind)(input_ids=TOKENS).logits
        assert torch.allclose(adapted.merge_and_unload()(input_ids=TOKENS).logits, expected, atol=1e-4)
    assert (expected - plain).abs().max() > 1e-2


@pytest.mark.parametrize("kind", KINDS)
def test_before_training_the_adapted_model_is_the_model(kind):
    with torch.no_grad():
        expected = model_of(kind)(input_ids=TOKENS).logits
        found = with_lora(model_of(kind), BOTH)(input_ids=TOKENS).logits
    assert torch.equal(found, expected)


@pytest.mark.parametrize("kind", ["gpt2", "phi3", "gpt_neo"])
def test_multipliers_as_ranks_scale_the_rank_at_the_same_alpha_over_rank(kind):
    plan = plan_of([0.5, 1.0, 1.6, 0.0])
    copies = 2 if kind in FUSED else 1
    config = lora_config(plan, model_of(kind), rank=4, alpha=12.0, multipliers="ranks")
    of_block = {number: {value for name, value in config.rank_pattern.items() if f".{number}." in name}
                for number in (0, 1)}  # fmt: skip
    assert of_block == {0: {2 * copies}, 1: {6 * copies}}
    adapted = with_lora(model_of(kind), plan, rank=4, alpha=12.0, multipliers="ranks")
    for name, layer in projections(adapted):
        rank = (2 if ".0." in name else 6) * copies
        assert (layer.r["default"], layer.lora_A["default"].weight.shape[0]) == (rank, rank)
        assert layer.scaling["default"] == pytest.approx(12.0 / 4)
    small = lora_config(plan_of([0.01, 0.0, 0.0, 0.0]), model_of(kind), rank=4, multipliers="ranks")
    assert set(small.rank_pattern.values()) == {copies}  # never 0


def test_a_sublayer_s_rank_is_that_of_its_largest_phase():
    plan = in_two_phases([1.0, 0.0, 0.0, 0.0], [0.5, 0.0, 2.0, 0.0])
    config = lora_config(plan, tiny_model("llama"), rank=4, multipliers="ranks")
    found = {name: value for name, value in config.rank_pattern.items() if "q_proj" in name}
    assert [value for _, value in sorted(found.items())] == [4, 8]


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
    assert baseline.trained(plan) == {RANKED[0], RANKED[2]}


@pytest.mark.parametrize("number", [0, 1])
def test_only_the_adapters_of_a_phase_take_gradients_and_none_decays(number):
    period, baseline = period_of(in_two_phases([1.0, 0, 0, 0], [0.5, 0, 2.0, 0])), baseline_of("lora")
    adapted = baseline.module(period)
    for _, phase in period.plan.phases(6)[: number + 1]:
        groups = baseline.groups(period, phase)
    held = {id(parameter) for group in groups for parameter in group["params"]}
    wanted = {name: p for name, p in adapted.named_parameters() if p.requires_grad}
    assert {id(p) for p in wanted.values()} == held
    assert all(".lora_" in name for name in wanted)
    assert {int(name.split(".h.")[1][0]) for name in wanted} == {0, number}
    assert {group["weight_decay"] for group in groups} == {0.0}


def test_the_key_stays_and_so_does_a_sublayer_that_is_frozen_in_a_phase():
    plan, seen = in_two_phases([1.0, 0, 0, 0], [0, 0, 1.0, 0]), []
    period, baseline = period_of(plan), baseline_of("lora")
    before, groups = parameters_of(period.model), baseline.groups

    def watched(period, phase):
        seen.append({name: p.clone() for name, p in period.model.named_parameters() if ".lora_B." in name})
        return groups(period, phase)

    baseline.groups = watched
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
        adapted = baseline_of("lora").module(period_of(BOTH, tiny_model(), seed=seed))
        found.append(torch.cat([layer.lora_A["default"].weight for _, layer in projections(adapted)]))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
    state = torch.random.get_rng_state()
    baseline_of("lora").module(period_of(BOTH))  # and what others draw is left alone
    assert torch.equal(torch.random.get_rng_state(), state)


def test_peft_alone_takes_the_configuration_for_separate_projections():
    adapted = get_peft_model(tiny_model("llama"), lora_config(BOTH, tiny_model("llama"), rank=3, alpha=6.0))
    found = [name for name, _ in projections(adapted)]
    assert found == [f"model.layers.{n}.self_attn.{kind}_proj" for n in (0, 1) for kind in "qv"]
    assert {layer.scaling["default"] for _, layer in projections(adapted)} == {2.0}


@pytest.mark.parametrize("kind", ["mamba", "tgl_gru", "rwkv"])
def test_architectures_without_attention_are_refused_with_the_reason(kind):
    model = tiny_model(kind)
    plan = Plan("all of it", 0.0, {unit.name: 1.0 for unit in sublayers(model)[:-1]})
    for refused in (
        lambda: baseline_of("lora").check(plan, 0.01),
        lambda: lora_config(plan, model),
        lambda: with_lora(model, plan),
        lambda: baseline_of("lora").module(period_of(plan, model)),
    ):
        with pytest.raises(TglError, match=r"^lora: the plan 'all of it' trains no attention sublayer"):
            refused()


@pytest.mark.parametrize(
    ("plan", "reason"),
    [
        (plan_of([0.0, 1.0, 0.0, 1.0]), r"'by hand' trains no attention sublayer.* another baseline"),
        (in_two_phases([1.0, 0, 0, 0], [0, 1.0, 0, 0]), r"'by hand' in phase 2 of 2 trains no attention"),
        (in_two_phases([0, 1.0, 0, 0], [1.0, 0, 0, 0]), r"'by hand' in phase 1 of 2 trains no attention"),
        (plan_of([1.0, 0.0, 0.0, 0.0], 1.0), r"'by hand' trains the unit embedding, and LoRA"),
    ],
)
def test_plans_that_lora_cannot_train_are_refused_before_anything_trains(plan, reason):
    with pytest.raises(TglError, match="^lora: the plan " + reason):
        baseline_of("lora").check(plan, 0.01)
    baseline_of("lora").check(in_two_phases([1.0, 1.0, 0, 0], [0, 1.0, 0.5, 0]), 0.01)


def test_a_plan_of_another_model_is_refused():
    other = plan_of([1.0] * 4).multipliers | {"block02.attention": 1.0}
    with pytest.raises(TglError, match=r"no sublayer \['block02\.attention'\]"):
        baseline_of("lora").module(period_of(dataclasses.replace(BOTH, multipliers=other)))
    fewer = dict.fromkeys(RANKED[:2], 1.0)
    with pytest.raises(TglError, match=r"no multiplier for sublayer 'block01\.attention'"):
        baseline_of("lora").module(period_of(dataclasses.replace(BOTH, multipliers=fewer)))
