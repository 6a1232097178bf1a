"""The key of a fused projection is never adapted, wherever the adapted model goes; wrong input is refused."""

import copy
import io

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, CodeGenConfig, DeepseekV2Config, FalconConfig, GPTBigCodeConfig

from tests.support.model_fixtures import plan_of, some_tokens
from tests.train.lora_layouts import FUSED, by_role, model_of
from tgl.core.errors import TglError
from tgl.models.sublayers import ranked, sublayers
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


def plan_for(model):
    return Plan("mine", 0.0, {unit.name: 1.0 for unit in ranked(sublayers(model))})


def unknown_layouts():
    size = {"vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 4}
    falcon = {**size, "bos_token_id": 0, "eos_token_id": 0}
    return {
        "gpt_bigcode": GPTBigCodeConfig(
            vocab_size=50, n_positions=16, n_embd=16, n_layer=1, n_head=4, multi_query=True
        ),
        "falcon, one key": FalconConfig(**falcon, multi_query=True),
        "falcon, new": FalconConfig(**falcon, new_decoder_architecture=True, num_kv_heads=2),
        "codegen": CodeGenConfig(vocab_size=50, n_positions=16, n_embd=16, n_layer=1, n_head=4, rotary_dim=4),
    }


@pytest.mark.parametrize("kind", unknown_layouts())
def test_a_fused_projection_of_unknown_order_is_refused(kind):
    model = AutoModelForCausalLM.from_config(unknown_layouts()[kind])
    with pytest.raises(TglError, match=r"the order of query, key and value rows in .* is not known"):
        with_lora(model, plan_for(model))


def test_a_query_without_its_value_is_refused():
    """This attention computes values from a compressed key, so there is no value projection."""
    config = DeepseekV2Config(
        vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        q_lora_rank=None, kv_lora_rank=8, qk_rope_head_dim=4, qk_nope_head_dim=4, v_head_dim=8, first_k_dense_replace=1,
    )  # fmt: skip
    model = AutoModelForCausalLM.from_config(config)
    with pytest.raises(TglError, match=r"expected q_proj and v_proj, or one of .*, found .*q_proj"):
        with_lora(model, plan_for(model))
