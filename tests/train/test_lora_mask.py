"""The key of a fused projection is never adapted, wherever the adapted model goes; wrong input is refused."""

import copy
import io

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model

from tests.support.model_fixtures import plan_of, some_tokens
from tests.train.lora_layouts import FUSED, by_role, model_of
from tgl.core.errors import TglError
from tgl.plans.plan import Plan
from tgl.train.engines.interface import language_model_loss
from tgl.train.lora import kept_to_query_and_value, lora_config, with_lora

BOTH = plan_of([1.0, 0.0, 1.0, 0.0])
TOKENS = torch.from_numpy(some_tokens(64)).long().reshape(2, 32)


def pickled(model):
    stored = io.BytesIO()
    torch.save(model, stored)
    stored.seek(0)
    return torch.load(stored, weights_only=False)


def after_a_step(adapted):
    """Train for one step of Adam and return the output of each fused adapter's second matrix, by role."""
    trained = [p for p in adapted.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=0.1, weight_decay=0.1)
    language_model_loss(adapted, TOKENS).backward()
    optimiser.step()
    kind = adapted.config.model_type
    return [
        by_role(kind, name, layer.lora_B["default"].weight.detach().float())
        for name, layer in adapted.base_model.model.named_modules()
        if hasattr(layer, "lora_A")
    ]


MOVES = {
    "bfloat16": lambda model: model.to(torch.bfloat16),
    "float64": lambda model: model.double(),
    "twice": lambda model: model.to(torch.bfloat16).float(),
    "copied": copy.deepcopy,
    "pickled": pickled,
    "copied and moved": lambda model: copy.deepcopy(model).to(torch.bfloat16),
}


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("kind", FUSED)
def test_the_key_stays_as_it_is_after_the_model_has_been_moved(kind, move):
    roles = after_a_step(MOVES[move](with_lora(model_of(kind), BOTH)))
    assert len(roles) == 2
    for found in roles:
        assert not found["k"].any()
        assert found["q"].any()
        assert found["v"].any()


@pytest.mark.parametrize("kind", FUSED)
def test_the_mask_goes_to_another_device_with_the_model(kind):
    adapted = with_lora(model_of(kind), BOTH).to("meta")
    assert {buffer.device.type for buffer in adapted.buffers()} == {"meta"}
    logits = adapted(input_ids=TOKENS.to("meta")).logits
    assert logits.device.type == "meta"


@pytest.mark.parametrize("kind", FUSED)
def test_an_adapter_from_a_folder_is_trained_on_with_its_key_unchanged(tmp_path, kind):
    adapted = with_lora(model_of(kind), BOTH)
    after_a_step(adapted)
    adapted.save_pretrained(tmp_path)
    loaded = PeftModel.from_pretrained(model_of(kind), tmp_path, is_trainable=True)
    adapted.eval(), loaded.eval()
    with torch.no_grad():
        assert torch.equal(loaded(input_ids=TOKENS).logits, adapted(input_ids=TOKENS).logits)
    assert kept_to_query_and_value(loaded) is loaded
    kept_to_query_and_value(loaded)  # a second time does nothing
    for found in after_a_step(loaded):
        assert not found["k"].any()
    merged = loaded.merge_and_unload()
    assert not [name for name, _ in merged.named_modules() if "lora" in name]


def test_an_adapter_that_has_learned_a_key_is_not_cut_silently():
    config = LoraConfig(r=4, target_modules=["c_attn"], fan_in_fan_out=True, init_lora_weights=False)
    adapted = get_peft_model(model_of("gpt2"), config)
    with pytest.raises(
        TglError, match=r"adapter 'default' of 'transformer\.h\.0\.attn\.c_attn' writes to the key"
    ):
        kept_to_query_and_value(adapted)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"plan": "plan.json"}, "plan: found str, expected a Plan"),
        ({"model": "gpt2"}, "model: found str"),
        ({"rank": 0}, "rank: .*found 0"),
        ({"rank": 2.0}, r"rank: .*found 2\.0"),
        ({"rank": True}, "rank: .*found True"),
        ({"alpha": -1}, "alpha: .*found -1"),
        ({"alpha": "16"}, "alpha: .*found '16'"),
        ({"alpha": float("inf")}, "alpha: .*found inf"),
        ({"multipliers": "rank"}, "multipliers: .*found 'rank'"),
        ({"plan": Plan("mine", 0.0, {"block00.attention": 1.0})}, "no multiplier for sublayer 'block00.mlp'"),
        ({"plan": Plan("mine", 0.0, BOTH.multipliers | {"block07.mlp": 1.0})}, "no sublayer .'block07.mlp'"),
    ],
)
@pytest.mark.parametrize("made", [lora_config, with_lora])
def test_wrong_input_is_refused_before_the_model_is_touched(made, changes, words):
    model = model_of("gpt2")
    values = {"plan": BOTH, "model": model, "rank": 4, "alpha": 16, "multipliers": "rates"} | changes
    with pytest.raises(TglError, match=words):
        made(**values)
    assert all(p.requires_grad for p in model.parameters())


@pytest.mark.parametrize("inside", [False, True])
def test_a_model_that_has_adapters_is_refused(inside):
    adapted = with_lora(model_of("llama"), BOTH)
    with pytest.raises(TglError, match="has adapters already"):
        with_lora(adapted.base_model.model if inside else adapted, BOTH)
