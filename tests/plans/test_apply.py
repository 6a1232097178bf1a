import dataclasses
import math
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM

from tests.support.model_fixtures import (
    BLOCK,
    CONFIGS,
    RANKED,
    parameters_by_unit,
    plan_of,
    settings_of,
    some_tokens,
    tiny_model,
)
from tgl.core.errors import TglError
from tgl.models.sublayers import EMBEDDING, sublayers
from tgl.plans.apply import freeze, parameter_groups, realised_rates
from tgl.plans.plan import Plan
from tgl.train.engines import make_engine
from tgl.train.schedule import factor
from tgl.train.stream import TokenStream

quick = settings(deadline=None, max_examples=25)
multipliers = st.lists(st.sampled_from([0.0, 0.25, 1.0, 1.75]), min_size=4, max_size=4)


def grouped(model, plan, learning_rate=0.01, weight_decay=0.1):
    freeze(model, plan)
    return parameter_groups(sublayers(model), plan, learning_rate, weight_decay=weight_decay)


@quick
@given(multipliers, st.sampled_from([0.0, 1.0]), st.sampled_from(sorted(CONFIGS)))
def test_groups_hold_each_trained_parameter_once_and_no_frozen_one(values, embedding, kind):
    plan, model = plan_of(values, embedding), tiny_model(kind)
    if not any(values) and not embedding:
        return
    groups = grouped(model, plan)
    found = [id(parameter) for group in groups for parameter in group["params"]]
    trained = [p for unit in sublayers(model) if plan.of(unit.name) for p in unit.parameters.values()]
    assert sorted(found) == sorted(id(parameter) for parameter in trained)
    assert {id(p) for p in model.parameters() if p.requires_grad} == set(found)
    assert all(group["params"] for group in groups)


@quick
@given(multipliers)
def test_equal_multipliers_and_weight_decays_share_a_group(values):
    if not any(values):
        return
    groups = grouped(tiny_model(), plan_of(values))
    kinds = [(group["initial_lr"], group["weight_decay"]) for group in groups]
    assert len(kinds) == len(set(kinds)) == 2 * len({value for value in values if value})


def test_weight_decay_acts_on_matrices_only():
    for group in grouped(tiny_model(), plan_of([1, 1, 1, 1], embedding=1.0)):
        assert {parameter.dim() >= 2 for parameter in group["params"]} == {group["weight_decay"] > 0}


def test_the_initial_rate_is_the_learning_rate_times_the_multiplier():
    groups = grouped(tiny_model(), plan_of([0.5, 2.0, 0, 1], embedding=0.25), learning_rate=0.01)
    found = {name: group["initial_lr"] for group in groups for name in group["units"]}
    assert found == {
        RANKED[0]: pytest.approx(0.005), RANKED[1]: pytest.approx(0.02), RANKED[3]: pytest.approx(0.01),
        EMBEDDING: pytest.approx(0.0025),
    }  # fmt: skip
    assert realised_rates(groups) == found


def test_freeze_returns_the_frozen_units():
    frozen = freeze(tiny_model(), plan_of([0, 1, 0, 1]))
    assert [unit.name for unit in frozen] == [RANKED[0], RANKED[2], EMBEDDING]


def test_freezing_again_by_another_plan_follows_the_other_plan():
    model = tiny_model()
    freeze(model, plan_of([0, 1, 0, 1]))
    freeze(model, plan_of([1, 0, 0, 0]))
    owner = parameters_by_unit(model)
    assert {owner[name] for name, p in model.named_parameters() if p.requires_grad} == {RANKED[0]}


def test_plans_that_do_not_fit_the_model_are_refused():
    with pytest.raises(TglError, match=r"no sublayer \['block02\.mlp'\]"):
        freeze(
            tiny_model(), Plan("mine", 1.0, {**plan_of([1, 1, 1, 1]).multipliers, "block02.mlp": 1}, "", 0, 0)
        )
    with pytest.raises(TglError, match=r"no multiplier for sublayer 'block01\.attention'"):
        freeze(tiny_model(), Plan("mine", 1.0, {RANKED[0]: 1.0, RANKED[1]: 1.0}, "", 0, 0))
    with pytest.raises(TglError, match="nothing would be trained"):
        freeze(tiny_model(), plan_of([0, 0, 0, 0]))


@pytest.mark.parametrize("decay", ["cosine", "linear", "constant"])
def test_each_sublayer_really_gets_learning_rate_times_multiplier_times_factor(decay):
    values, settings, rate = [0.5, 1.5, 0.0, 2.0], settings_of(steps=9, decay=decay), 0.01
    model = tiny_model()
    engine = make_engine(model, grouped(model, plan_of(values, 0.25), rate), settings, engine=settings)
    stream = TokenStream(some_tokens(400), 0, 0)
    seen = {}
    for step in range(settings.steps):
        tokens = torch.from_numpy(stream.batch(step, settings.batch_size, BLOCK))
        engine.step(tokens, step, factor(step, settings))
        seen[step] = engine.rates()
    warmed = math.ceil(settings.steps * settings.warmup_share) - 1
    assert factor(warmed, settings) == 1
    for step in (0, warmed, settings.steps - 1):
        expected = {
            name: rate * value * factor(step, settings)
            for name, value in [*zip(RANKED, values, strict=True), (EMBEDDING, 0.25)]
            if value
        }
        assert seen[step] == pytest.approx(expected, rel=1e-12)


def test_adam_moves_a_sublayer_at_its_first_step_by_its_own_rate():
    model = tiny_model()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    groups = grouped(model, plan_of([0.5, 2.0, 0, 1]), 0.001, weight_decay=0)
    engine = make_engine(model, groups, settings_of(), engine=settings_of())
    engine.step(torch.from_numpy(TokenStream(some_tokens(400), 0, 0).batch(0, 2, BLOCK)), 0, 1.0)
    moved = {name: (p.detach() - before[name]).abs().max().item() for name, p in model.named_parameters()}
    for number, expected in ((0, 0.0005), (1, 0.002), (2, 0.0), (3, 0.001)):
        block, part = number // 2, ("attn.c_proj", "mlp.c_proj")[number % 2]
        assert moved[f"transformer.h.{block}.{part}.weight"] == pytest.approx(expected, rel=0.01)


def test_a_frozen_tied_embedding_stays_tied_and_unchanged_while_the_rest_trains(tmp_path):
    model = tiny_model()
    before = model.lm_head.weight.detach().clone()
    engine = make_engine(model, grouped(model, plan_of([1, 1, 1, 1])), settings_of(), engine=settings_of())
    engine.step(torch.from_numpy(TokenStream(some_tokens(400), 0, 0).batch(0, 2, BLOCK)), 0, 1.0)
    assert model.lm_head.weight is model.transformer.wte.weight
    assert torch.equal(model.lm_head.weight, before)
    model.save_pretrained(tmp_path)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert loaded.lm_head.weight.data_ptr() == loaded.transformer.wte.weight.data_ptr()
    assert torch.equal(loaded.lm_head.weight, before)


def test_a_plan_for_another_number_of_parameters_is_reported():
    plan = plan_of([1, 1, 1, 1])
    own = sum(unit.num_parameters for unit in sublayers(tiny_model()) if unit.name in RANKED)
    with pytest.warns(UserWarning, match=rf"made for sublayers with 5,184 parameters, .* have {own:,}"):
        freeze(tiny_model(), dataclasses.replace(plan, total_parameters=5184))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        freeze(tiny_model(), dataclasses.replace(plan, total_parameters=own))
        freeze(tiny_model(), dataclasses.replace(plan, total_parameters=0))
