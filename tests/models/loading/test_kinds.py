"""Only causal language models without quantised weights are loaded, and never by code that comes with them."""

import io

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    BertConfig,
    BertLMHeadModel,
    BloomConfig,
    GPTNeoXConfig,
    MixtralConfig,
    T5Config,
    T5ForConditionalGeneration,
    XLNetConfig,
    XLNetLMHeadModel,
)

from tests.models.loading.damage import refusal
from tests.support.model_fixtures import BLOCK, VOCABULARY, tiny_tokenizer
from tgl.models.checkpoint import load_model, save_model


@pytest.mark.parametrize(
    "quantised",
    [
        {"quant_method": "bitsandbytes", "load_in_4bit": True},
        {"quant_method": "gptq", "bits": 4},
        {"quant_method": "awq", "bits": 4},
        {"quant_method": "fp8"},
        {"quant_method": "compressed-tensors"},
        {"bits": 4},
    ],
)
def test_a_quantised_configuration_is_refused_before_anything_is_read(folder, quantised):
    path = folder(quantization_config=quantised)
    (path / "model.safetensors").write_bytes(b"")
    message = refusal(path)
    assert message.startswith(f"{path / 'config.json'}: found quantised weights")
    assert quantised.get("quant_method", "unknown") in message


def test_no_quantisation_is_none(folder):
    load_model(folder(quantization_config=None))


@pytest.mark.parametrize("model_type", ["llama", "its_own"])
def test_code_that_comes_with_a_model_is_never_run_and_never_asked_for(
    folder, monkeypatch, model_type, tmp_path
):
    """An architecture of transformers is loaded by its own code there; any other is refused."""
    path = folder(
        model_type=model_type,
        auto_map={"AutoConfig": "configuration_own.Own", "AutoModelForCausalLM": "modeling_own.Own"},
    )
    marker = path / "ran"
    for name in ("configuration_own.py", "modeling_own.py"):
        (path / name).write_text(f"open({str(marker)!r}, 'w')\nclass Own: pass\n")
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n" * 10))
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("a question was asked"))
    if model_type == "its_own":
        message = refusal(path)
        assert message.startswith(f"{path / 'config.json'}: names code of its own (auto_map: 'AutoConfig'")
    else:
        lines = []
        model = load_model(path, say=lines.append)
        assert lines == [f"{path}: using 'llama' of transformers, not the code that comes with the model"]
        save_model(model, tiny_tokenizer(), tmp_path / "saved")
        assert "auto_map" not in (tmp_path / "saved" / "config.json").read_text()
    assert not marker.exists()


def test_code_inside_a_section_is_refused_too(folder):
    assert "names code of its own" in refusal(folder(base={"auto_map": {"AutoConfig": "own.Own"}}))


def small(kind, **more):
    return kind(vocab_size=VOCABULARY, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, **more)


def test_an_encoder_is_refused(tmp_path):
    BertLMHeadModel(small(BertConfig, intermediate_size=32, max_position_embeddings=BLOCK)).save_pretrained(
        tmp_path
    )
    assert "'bert' is not a causal language model" in refusal(tmp_path)


def test_a_bert_that_was_made_a_decoder_is_loaded(tmp_path):
    config = small(BertConfig, intermediate_size=32, max_position_embeddings=BLOCK, is_decoder=True)
    BertLMHeadModel(config).save_pretrained(tmp_path)
    assert load_model(tmp_path).config.model_type == "bert"


def test_an_encoder_decoder_is_refused(tmp_path):
    config = T5Config(vocab_size=VOCABULARY, d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2)
    T5ForConditionalGeneration(config).save_pretrained(tmp_path)
    assert "'t5' is an encoder-decoder" in refusal(tmp_path)


def test_a_model_that_sees_what_stands_to_the_right_is_refused(tmp_path):
    XLNetLMHeadModel(
        XLNetConfig(vocab_size=VOCABULARY, d_model=16, n_layer=2, n_head=2, d_inner=32)
    ).save_pretrained(tmp_path)
    assert "'xlnet' predicts a token from the text to its right" in refusal(tmp_path)


@pytest.mark.parametrize(
    "config",
    [
        BloomConfig(vocab_size=VOCABULARY, hidden_size=16, n_layer=2, n_head=2),
        MixtralConfig(
            vocab_size=VOCABULARY, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
            intermediate_size=32, num_local_experts=2, max_position_embeddings=BLOCK,
        ),
        GPTNeoXConfig(
            vocab_size=VOCABULARY, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        ),
    ],
    ids=lambda config: config.model_type,
)  # fmt: skip
def test_causal_models_of_other_kinds_are_loaded_bit_by_bit(tmp_path, config):
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config)
    model.save_pretrained(tmp_path)
    loaded = load_model(tmp_path, say=pytest.fail).state_dict()
    assert all(torch.equal(tensor, loaded[name]) for name, tensor in model.state_dict().items())
