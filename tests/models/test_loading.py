"""What is not a whole causal language model is refused, by file and tensor, and nothing is lost in silence."""

import io
import json
import struct

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForCausalLM,
    BertConfig,
    BertLMHeadModel,
    BloomConfig,
    GPT2ForSequenceClassification,
    GPTNeoXConfig,
    LlamaConfig,
    MixtralConfig,
    T5Config,
    T5ForConditionalGeneration,
    XLNetConfig,
    XLNetLMHeadModel,
)

from tests.support.model_fixtures import BLOCK, VOCABULARY, tiny_model, tiny_tokenizer
from tgl.core.errors import TglError
from tgl.models.checkpoint import inspect_model, load_model, save_model
from tgl.models.folders import load_tensors


@pytest.fixture
def folder(tmp_path):
    """Return a function that writes a tiny model, with its tensors and configuration changed, and gives its folder."""

    def make(kind="llama", tensors=lambda found: found, **config):
        path = tmp_path / "model"
        model = tiny_model(kind, seed=3)
        model.save_pretrained(path)
        save_file(
            tensors(load_file(path / "model.safetensors")), path / "model.safetensors", {"format": "pt"}
        )
        change(path / "config.json", **config)
        return path

    return make


def change(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def refusal(path, **options):
    with pytest.raises(TglError) as caught:
        load_model(path, **options)
    return str(caught.value)


def renamed(prefix):
    return lambda found: {prefix + name: tensor for name, tensor in found.items()}


def without(part):
    return lambda found: {name: tensor for name, tensor in found.items() if part not in name}


def shaped(name, shape):
    return lambda found: found | {name: torch.zeros(shape)}


# Missing and renamed tensors


@pytest.mark.parametrize(
    ("prefix", "maker"),
    [("_orig_mod.", "torch.compile"), ("module.", "DistributedDataParallel"), ("base_model.model.", "peft")],
)
def test_names_with_a_prefix_are_refused_with_who_put_it_there(folder, prefix, maker):
    message = refusal(folder(tensors=renamed(prefix)))
    assert "model.safetensors: lacks" in message
    assert f"begin with '{prefix}', which {maker} adds" in message


@pytest.mark.parametrize("part", ["lm_head", "layers.1.", "q_proj", "model.norm.weight", "embed_tokens"])
def test_missing_tensors_are_refused_by_name(folder, part):
    message = refusal(folder(tensors=without(part)))
    assert "model.safetensors: lacks" in message
    assert part in message


def test_every_second_tensor_gone_is_refused(folder):
    assert "lacks" in refusal(folder(tensors=lambda found: dict(list(found.items())[::2])))


def test_a_tied_head_need_not_stand_in_the_file(folder):
    path = folder("gpt2")
    assert "lm_head.weight" not in load_file(path / "model.safetensors")
    model = load_model(path)
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight


def test_a_tied_model_with_its_head_alone_is_loaded_whole(folder):
    def head_alone(found):
        found["lm_head.weight"] = found.pop("transformer.wte.weight")
        return found

    before = tiny_model("gpt2", seed=3).state_dict()
    after = load_model(folder("gpt2", head_alone)).state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_tied_model_without_embedding_and_head_is_refused(folder):
    assert "wte.weight" in refusal(folder("gpt2", without("wte")))


def test_a_bare_model_is_loaded_under_the_full_names(folder):
    path = folder("gpt2", lambda found: {k.removeprefix("transformer."): v for k, v in found.items()})
    before, after = tiny_model("gpt2", seed=3).state_dict(), load_model(path).state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


# Shapes and numbers of blocks


def test_another_vocabulary_than_the_configuration_says_is_refused(folder):
    message = refusal(folder(vocab_size=VOCABULARY + 1))
    assert "model.safetensors: '" in message
    assert f"shape [{VOCABULARY}, 16], expected [{VOCABULARY + 1}, 16]" in message


def test_a_transposed_tensor_is_refused(folder):
    message = refusal(folder(tensors=shaped("model.layers.0.mlp.up_proj.weight", (16, 32))))
    assert "'model.layers.0.mlp.up_proj.weight' has shape [16, 32], expected [32, 16]" in message


@pytest.mark.parametrize("kind", ["llama", "gpt2", "opt", "mamba", "tgl_gru"])
def test_a_file_of_two_blocks_under_a_configuration_of_one_is_refused(folder, kind):
    key = {"gpt2": "n_layer"}.get(kind, "num_hidden_layers")
    message = refusal(folder(kind, **{key: 1}))
    assert "has no place for" in message
    assert ".1." in message


def test_a_configuration_of_more_blocks_than_the_file_has_is_refused(folder):
    assert "lacks" in refusal(folder(num_hidden_layers=3))


@pytest.mark.parametrize("blocks", [5_000, 10**9])
def test_absurdly_many_blocks_are_refused_before_a_model_is_built(folder, blocks):
    assert "config.json: " in refusal(folder(num_hidden_layers=blocks))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("vocab_size", 10**12),
        ("hidden_size", -16),
        ("hidden_size", "sixteen"),
        ("num_attention_heads", 0),
        ("intermediate_size", 10**14),
        ("num_hidden_layers", "two"),
        ("num_hidden_layers", None),
        ("num_hidden_layers", -1),
        ("num_attention_heads", 3),
        ("rope_parameters", 7),
        ("hidden_act", "no_such_function"),
    ],
)
def test_absurd_sizes_are_refused(folder, key, value):
    message = refusal(folder(**{key: value}))
    assert "model" in message


# Unexpected tensors


@pytest.mark.parametrize(
    "name",
    [
        "model.layers.0.self_attn.q_proj.bias",
        "model.layers.0.self_attn.q_norm.weight",
        "model.layers.7.mlp.up_proj.weight",
        "lm_head.bias",
        "model.layers.0.self_attn.q_proj.lora_A.weight",
        "_orig_mod.model.norm.weight",
        "layers.7.mlp.up_proj.weight",
    ],
)
def test_a_tensor_of_a_part_that_the_model_has_is_not_lost_in_silence(folder, name):
    message = refusal(folder(tensors=shaped(name, (16,))))
    assert "model.safetensors: holds 1 tensors" in message
    assert f"'{name}'" in message


def test_tensors_of_other_parts_are_reported_and_not_used(folder, capsys):
    lines = []
    path = folder(
        tensors=lambda found: found | {"v_head.weight": torch.ones(1, 16), "score.bias": torch.ones(2)}
    )
    load_model(path, say=lines.append)
    assert len(lines) == 1
    assert "2 tensors" in lines[0]
    assert "'score.bias', 'v_head.weight'" in lines[0]
    load_model(path)
    assert "'v_head.weight'" in capsys.readouterr().out


def test_a_classifier_is_reported(tmp_path):
    GPT2ForSequenceClassification(tiny_model("gpt2").config).save_pretrained(tmp_path)
    lines = []
    load_model(tmp_path, say=lines.append)
    assert "'score.weight'" in lines[0]


@pytest.mark.parametrize(
    ("kind", "buffer", "shape"),
    [
        ("gpt2", "transformer.h.0.attn.bias", (1, 1, BLOCK, BLOCK)),
        ("gpt_neo", "transformer.h.0.attn.attention.bias", (1, 1, BLOCK, BLOCK)),
        ("gpt_neo", "transformer.h.0.attn.attention.masked_bias", ()),
        ("gpt_neox", "gpt_neox.layers.0.attention.rotary_emb.inv_freq", (4,)),
        ("gpt_neox", "gpt_neox.layers.0.attention.bias", (1, 1, BLOCK, BLOCK)),
        ("llama", "model.layers.0.self_attn.rotary_emb.inv_freq", (4,)),
    ],
)
def test_buffers_of_old_files_that_are_computed_now_are_no_loss(folder, kind, buffer, shape):
    lines = []
    load_model(folder(kind, shaped(buffer, shape)), say=lines.append)
    assert not lines


# Values


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_values_that_are_not_finite_are_refused_by_tensor(folder, value):
    def spoil(found):
        found["model.layers.1.mlp.up_proj.weight"][3, 4] = value
        return found

    message = refusal(folder(tensors=spoil))
    assert (
        "model.safetensors: 'model.layers.1.mlp.up_proj.weight' holds 1 values that are not finite" in message
    )


def test_a_double_that_fp32_does_not_hold_is_refused(folder):
    name = "model.norm.weight"
    assert f"'{name}'" in refusal(
        folder(tensors=lambda found: found | {name: torch.full((16,), 1e300, dtype=torch.float64)})
    )


@pytest.mark.parametrize("dtype", [torch.int8, torch.int64, torch.bool, torch.float8_e4m3fn, torch.uint8])
def test_weights_that_are_no_floating_point_numbers_are_refused_by_tensor(folder, dtype):
    name = "model.layers.0.mlp.up_proj.weight"
    message = refusal(folder(tensors=lambda found: found | {name: torch.ones(32, 16).to(dtype)}))
    assert f"model.safetensors: '{name}' is of type" in message


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_floating_point_numbers_of_any_width_are_loaded_in_fp32(folder, dtype):
    model = load_model(folder(tensors=lambda found: {name: t.to(dtype) for name, t in found.items()}))
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


# Files


def pointer(path):
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 123456\n")


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_git_lfs_pointer_is_named(folder, name):
    path = folder()
    pointer(path / name)
    message = refusal(path)
    assert message.startswith(f"{path / name}: holds a git-lfs pointer")
    assert "git lfs pull" in message


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda content: content[:-1],
        lambda content: b"",
        lambda content: content[:7],
        lambda content: struct.pack("<Q", 2**60) + content[8:],
        lambda content: struct.pack("<Q", 20) + b"not JSON, but long enough",
        lambda content: b"<!DOCTYPE html><html>Please log in</html>",
        lambda content: content + b"more",
    ],
)
def test_a_damaged_file_is_named_with_advice_that_fits(folder, damage):
    path = folder() / "model.safetensors"
    path.write_bytes(damage(path.read_bytes()))
    message = refusal(path.parent)
    assert message.startswith(f"{path}: not a whole safetensors file")
    assert "run the workflow again" not in message


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{", "not valid JSON"),
        ("[]", "holds list"),
        ("", "not valid JSON"),
        ("{}", "model_type is None"),
        ('{"model_type": 7}', "model_type is 7"),
        ('{"model_type": "lama"}', "did you mean 'llama'"),
        ('{"model_type": ["llama"]}', "model_type is"),
    ],
)
def test_a_broken_configuration_is_named(folder, text, found):
    path = folder()
    (path / "config.json").write_text(text)
    message = refusal(path)
    assert message.startswith(f"{path / 'config.json'}: ")
    assert found in message


def test_tensors_of_a_damaged_or_absent_file_are_refused_by_name(tmp_path):
    path = tmp_path / "adapter.safetensors"
    with pytest.raises(TglError, match=r"adapter\.safetensors: no such file"):
        load_tensors(path)
    save_file({"a": torch.ones(3)}, path)
    assert torch.equal(load_tensors(path)["a"], torch.ones(3))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(TglError, match=r"adapter\.safetensors: not a whole safetensors file"):
        load_tensors(path)


def test_no_configuration_is_refused(folder):
    path = folder()
    (path / "config.json").unlink()
    assert "config.json" in refusal(path)


def test_pickles_alone_are_refused_by_name(folder):
    path = folder()
    (path / "model.safetensors").rename(path / "pytorch_model.bin")
    assert "found the weights 'pytorch_model.bin', expected model.safetensors" in refusal(path)


def test_a_file_in_place_of_a_folder_is_refused(folder):
    assert "is a file" in refusal(folder() / "model.safetensors")


# Shards


@pytest.fixture
def sharded(tmp_path):
    model = tiny_model("llama", seed=3)
    model.save_pretrained(tmp_path, max_shard_size="20KB")
    shards = sorted(tmp_path.glob("model-*.safetensors"))
    assert len(shards) > 1
    return tmp_path, shards, model


def test_shards_are_loaded_whole(sharded):
    path, _, model = sharded
    loaded = load_model(path).state_dict()
    assert all(torch.equal(tensor, loaded[name]) for name, tensor in model.state_dict().items())


def test_an_absent_shard_is_named(sharded):
    path, shards, _ = sharded
    shards[1].unlink()
    assert f"names '{shards[1].name}', which is not in the folder" in refusal(path)


def test_a_shard_that_is_a_pointer_is_named(sharded):
    path, shards, _ = sharded
    pointer(shards[1])
    assert refusal(path).startswith(f"{shards[1]}: holds a git-lfs pointer")


def test_a_tensor_that_is_in_no_shard_is_named(sharded):
    path, shards, _ = sharded
    tensors = load_file(shards[0])
    lost = sorted(tensors)[0]
    save_file({name: tensor for name, tensor in tensors.items() if name != lost}, shards[0], {"format": "pt"})
    message = refusal(path)
    assert message.startswith(f"{shards[0]}: lacks '{lost}'")


@pytest.mark.parametrize("index", ["{}", "[]", '{"weight_map": []}', '{"weight_map": {"a": 1}}', "{"])
def test_a_broken_index_is_named(sharded, index):
    path = sharded[0] / "model.safetensors.index.json"
    path.write_text(index)
    assert str(path) in refusal(path.parent)


def test_an_index_does_not_lead_out_of_its_folder(sharded):
    path = sharded[0] / "model.safetensors.index.json"
    weight_map = json.loads(path.read_text())["weight_map"]
    change(path, weight_map=weight_map | {"a": "../elsewhere.safetensors"})
    assert "'../elsewhere.safetensors', expected files of the same folder" in refusal(path.parent)


def test_shards_without_index_are_refused(sharded):
    (sharded[0] / "model.safetensors.index.json").unlink()
    assert "no model.safetensors and no model.safetensors.index.json" in refusal(sharded[0])


# Kinds of models


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


# Looking without loading


def test_a_model_is_inspected_without_its_weights(folder):
    model = inspect_model(folder())
    assert {parameter.device.type for parameter in model.parameters()} == {"meta"}
    assert model.get_input_embeddings().num_embeddings == VOCABULARY


def test_inspection_refuses_what_headers_show(folder):
    with pytest.raises(TglError, match="has shape"):
        inspect_model(folder(vocab_size=VOCABULARY + 1))


def test_generation_settings_survive_loading_and_saving(folder, tmp_path):
    path = folder()
    change(path / "generation_config.json", max_new_tokens=77)
    save_model(load_model(path), tiny_tokenizer(), tmp_path / "again")
    assert json.loads((tmp_path / "again" / "generation_config.json").read_text())["max_new_tokens"] == 77


def test_loading_draws_nothing(folder):
    path = folder()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    load_model(path)
    assert torch.equal(torch.rand(3), expected)


def test_a_head_of_its_own_under_a_configuration_that_ties_it_is_kept_and_reported(folder):
    lines, before = [], tiny_model("llama", seed=3)
    model = load_model(folder(tie_word_embeddings=True), say=lines.append)
    assert torch.equal(model.lm_head.weight, before.lm_head.weight)
    assert torch.equal(model.model.embed_tokens.weight, before.model.embed_tokens.weight)
    assert model.config.tie_word_embeddings is False
    assert "its head differs from its embedding" in lines[0]


@pytest.mark.parametrize("name", ["é" * 400, "no/such/folder/anywhere", "\0"])
def test_a_name_that_is_none_is_refused(name):
    assert "expected a Hugging Face name or a folder" in refusal(name)


def test_a_wide_llama_with_an_untied_head_keeps_both(folder):
    model = load_model(folder())
    assert isinstance(model.config, LlamaConfig)
    assert not torch.equal(model.get_input_embeddings().weight, model.get_output_embeddings().weight)
