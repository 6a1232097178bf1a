"""Missing, renamed and unexpected tensors are refused by file and name, and none is lost in silence."""

import pytest
import torch
from safetensors.torch import load_file
from transformers import GPT2ForSequenceClassification, LlamaConfig

from tests.models.loading.damage import refusal, renamed, shaped, without
from tests.support.model_fixtures import BLOCK, tiny_model
from tgl.models.checkpoint import load_model


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


def test_a_head_of_its_own_under_a_configuration_that_ties_it_is_kept_and_reported(folder):
    lines, before = [], tiny_model("llama", seed=3)
    model = load_model(folder(tie_word_embeddings=True), say=lines.append)
    assert torch.equal(model.lm_head.weight, before.lm_head.weight)
    assert torch.equal(model.model.embed_tokens.weight, before.model.embed_tokens.weight)
    assert model.config.tie_word_embeddings is False
    assert "its head differs from its embedding" in lines[0]


def test_a_wide_llama_with_an_untied_head_keeps_both(folder):
    model = load_model(folder())
    assert isinstance(model.config, LlamaConfig)
    assert not torch.equal(model.get_input_embeddings().weight, model.get_output_embeddings().weight)
