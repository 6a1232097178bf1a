"""Adapters and their configuration. That the key is never adapted: `test_lora_mask`."""

import pytest
import torch
from peft import get_peft_model

from tests.support.model_fixtures import plan_of, some_tokens, tiny_model
from tests.train.baselines.periods import in_two_phases
from tests.train.lora_layouts import FUSED, KINDS, by_role, model_of, projections
from tgl.train.engines.interface import language_model_loss
from tgl.train.lora import lora_config, with_lora

SECOND = plan_of([0.0, 0.0, 1.0, 0.0])
BOTH = plan_of([1.0, 0.0, 1.0, 0.0])
TOKENS = torch.from_numpy(some_tokens(64)).long().reshape(2, 32)


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


def test_peft_alone_takes_the_configuration_for_separate_projections():
    adapted = get_peft_model(tiny_model("llama"), lora_config(BOTH, tiny_model("llama"), rank=3, alpha=6.0))
    found = [name for name, _ in projections(adapted)]
    assert found == [f"model.layers.{n}.self_attn.{kind}_proj" for n in (0, 1) for kind in "qv"]
    assert {layer.scaling["default"] for _, layer in projections(adapted)} == {2.0}
