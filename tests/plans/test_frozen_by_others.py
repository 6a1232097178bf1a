"""What somebody else froze stays frozen, whatever a plan says; models that peft, compile or DDP have wrapped."""

import copy
import io

import pytest
import torch
from peft import LoraConfig, PrefixTuningConfig, get_peft_model
from torch import nn

from tests.support.model_fixtures import (
    RANKED,
    parameters_by_unit,
    parameters_of,
    plan_of,
    some_tokens,
    tiny_model,
)
from tgl.core.errors import TglError
from tgl.models.sublayers import EMBEDDING, sublayers, unwrapped
from tgl.plans.plan import Plan
from tgl.train.engines.interface import language_model_loss

EVERYTHING = plan_of([1.0, 2.0, 0.5, 1.0], 1.0)


def trainable(model):
    return {name for name, p in model.named_parameters() if p.requires_grad}


def held(groups, model):
    names = {id(p): name for name, p in model.named_parameters()}
    return sorted(names[id(p)] for group in groups for p in group["params"])


def frozen_in_part():
    model = tiny_model()
    model.transformer.wpe.weight.requires_grad_(False)
    model.transformer.h[0].attn.c_attn.weight.requires_grad_(False)
    return model, {"transformer.wpe.weight", "transformer.h.0.attn.c_attn.weight"}


def test_a_parameter_frozen_by_hand_is_in_no_group_and_does_not_move():
    model, frozen = frozen_in_part()
    before = parameters_of(model)
    optimiser = torch.optim.AdamW(EVERYTHING.param_groups(model, 0.01, weight_decay=0.1))
    assert trainable(model) == set(before) - frozen
    tokens = torch.from_numpy(some_tokens(32)).long().reshape(2, 16)
    language_model_loss(model, tokens).backward()
    optimiser.step()
    assert all(torch.equal(model.get_parameter(name), before[name]) for name in frozen)


@pytest.mark.parametrize("through", ["same object", "a copy", "a pickle"])
def test_plans_one_after_the_other_thaw_what_plans_froze_and_nothing_else(through):
    model, frozen = frozen_in_part()
    plan_of([0, 1, 0, 0]).param_groups(model, 0.01)
    if through == "a copy":
        model = copy.deepcopy(model)
    if through == "a pickle":
        stored = io.BytesIO()
        torch.save(model, stored)
        stored.seek(0)
        model = torch.load(stored, weights_only=False)
    held_now = held(EVERYTHING.param_groups(model, 0.01), model)
    assert set(held_now) == trainable(model) == {name for name, _ in model.named_parameters()} - frozen


def test_what_is_frozen_between_two_plans_stays_frozen():
    model, owner = tiny_model(), parameters_by_unit(tiny_model())
    plan_of([1, 1, 0, 0]).param_groups(model, 0.01)
    model.transformer.h[0].mlp.requires_grad_(False)
    EVERYTHING.param_groups(model, 0.01)
    assert not [name for name in trainable(model) if name.startswith("transformer.h.0.mlp")]
    assert {RANKED[2], RANKED[3], EMBEDDING} <= {owner[name] for name in trainable(model)}


def test_adapters_put_in_after_a_plan_keep_the_base_frozen():
    model = tiny_model()
    plan_of([1, 0, 0, 0]).param_groups(model, 0.01)
    adapted = get_peft_model(model, LoraConfig(r=2, target_modules=["c_attn"], fan_in_fan_out=True))
    with pytest.warns(UserWarning, match="frozen before"):
        EVERYTHING.param_groups(adapted, 0.01)
    assert all("lora_" in name for name in trainable(adapted))


def test_a_unit_with_nothing_left_to_train_is_told_and_a_plan_with_nothing_left_is_refused():
    model = tiny_model()
    model.transformer.h[1].mlp.requires_grad_(False)
    model.transformer.h[1].ln_2.requires_grad_(False)
    with pytest.warns(UserWarning, match=rf"trains {RANKED[3]}, where every parameter was frozen before"):
        groups = EVERYTHING.param_groups(model, 0.01)
    assert RANKED[3] not in {name for group in groups for name in group["units"]}
    flags = {name: p.requires_grad for name, p in model.named_parameters()}
    with pytest.raises(TglError, match="were frozen before"):
        plan_of([0, 0, 0, 1]).param_groups(model, 0.01)
    assert {name: p.requires_grad for name, p in model.named_parameters()} == flags
    model.requires_grad_(False)
    with pytest.raises(TglError, match="were frozen before"):
        EVERYTHING.param_groups(model, 0.01)


@pytest.mark.parametrize("wrapped", ["peft", "peft's tuner", "the model inside"])
def test_adapters_are_trained_at_the_multiplier_of_the_sublayer_they_sit_in(wrapped):
    adapted = get_peft_model(tiny_model("llama"), LoraConfig(r=2, target_modules=["q_proj", "up_proj"]))
    given = {
        "peft": adapted,
        "peft's tuner": adapted.base_model,
        "the model inside": adapted.base_model.model,
    }
    before = trainable(adapted)
    plan = Plan("mine", 0.0, {RANKED[0]: 0.5, RANKED[1]: 0.0, RANKED[2]: 2.0, RANKED[3]: 1.0})
    groups = plan.param_groups(given[wrapped], 0.1)
    names = {id(p): name for name, p in adapted.named_parameters()}
    rates = {names[id(p)]: group["lr"] for group in groups for p in group["params"]}
    assert set(rates) == trainable(adapted) == {name for name in before if "layers.0.mlp" not in name}
    for name, rate in rates.items():
        multiplier = {"layers.0.self_attn": 0.5, "layers.1.self_attn": 2.0, "layers.1.mlp": 1.0}
        (expected,) = [value for part, value in multiplier.items() if part in name]
        assert rate == pytest.approx(0.1 * expected)


def test_a_head_that_peft_trains_as_a_whole_belongs_to_the_embedding():
    config = LoraConfig(r=2, target_modules=["q_proj"], modules_to_save=["lm_head"])
    adapted = get_peft_model(tiny_model("llama"), config)
    embedding = sublayers(adapted)[-1]
    assert {name for name, p in embedding.parameters.items() if p.requires_grad} == {
        "lm_head.modules_to_save.default.weight"
    }


def test_adapters_outside_the_model_are_refused():
    adapted = get_peft_model(
        tiny_model("llama"), PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=2)
    )
    with pytest.raises(TglError, match=r"PeftModelForCausalLM with the parameter 'prompt_encoder.* outside"):
        EVERYTHING.param_groups(adapted, 0.1)


@pytest.mark.parametrize("wrap", [torch.compile, nn.DataParallel], ids=["compiled", "data parallel"])
def test_a_wrapped_model_has_the_units_of_the_model_inside(wrap):
    model = tiny_model()
    wrapped = wrap(model)
    assert unwrapped(wrapped) is model
    assert [unit.parameters for unit in sublayers(wrapped)] == [unit.parameters for unit in sublayers(model)]
    assert held(plan_of([1, 0, 0, 0]).param_groups(wrapped, 0.1), model) == sorted(trainable(model))


@pytest.mark.parametrize("given", ["a name", None, 3])
def test_what_is_no_model_is_refused(given):
    with pytest.raises(TglError, match=r"model: found (str|NoneType|int), expected a causal language model"):
        EVERYTHING.param_groups(given, 0.1)


@pytest.mark.parametrize(
    ("lr", "decay", "words"),
    [
        ("1e-3", 0.0, "lr: .*found '1e-3'"),
        (-0.1, 0.0, "lr: .*found -0.1"),
        (float("nan"), 0.0, "lr: .*nan"),
        (0.1, None, "weight_decay: .*None"),
        (0.1, True, "weight_decay: .*True"),
    ],
)
def test_rates_that_are_no_numbers_are_refused(lr, decay, words):
    with pytest.raises(TglError, match=words):
        EVERYTHING.param_groups(tiny_model(), lr, decay)


def test_flat_parameters_of_fsdp_are_refused():
    class FullyShardedDataParallel(nn.Module):
        def __init__(self, module):
            super().__init__()
            self.module = module

    with pytest.raises(TglError, match="found FullyShardedDataParallel, whose flat parameters"):
        EVERYTHING.param_groups(FullyShardedDataParallel(tiny_model()), 0.1)
