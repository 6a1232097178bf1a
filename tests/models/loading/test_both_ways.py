"""Tensors that transformers converts or leaves out: what loading refuses or reports, in memory and block by block."""

import re

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.support.twins import twin
from tgl.core.errors import TglError
from tgl.models.checkpoint import load_model, weights_hash


def saved(folder, kind):
    """Save a twin in one file, and return the model and the names of the tensors."""
    model = twin(kind).float()
    model.save_pretrained(folder)
    return model, list(load_file(folder / "model.safetensors"))


def rewrite(folder, edit):
    """Change the tensors of a saved model in place."""
    tensors = load_file(folder / "model.safetensors")
    edit(tensors)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


@pytest.mark.parametrize("stream", [False, True])
def test_a_missing_buffer_of_a_router_is_refused(tmp_path, stream):
    _, names = saved(tmp_path, "deepseek_v3")
    missing = [name for name in names if name.endswith("e_score_correction_bias")]
    rewrite(tmp_path, lambda tensors: [tensors.pop(name) for name in missing])
    with pytest.raises(
        TglError, match=rf"lacks {len(missing)} of the model's tensors.*e_score_correction_bias"
    ):
        load_model(tmp_path, stream=stream)


@pytest.mark.parametrize("stream", [False, True])
def test_a_block_that_the_type_leaves_out_by_design_is_reported(tmp_path, stream):
    """DeepSeek-V3's files hold one more block, which predicts a further token."""
    model, _ = saved(tmp_path, "deepseek_v3")
    name = "model.layers.61.eh_proj.weight"
    assert any(re.search(pattern, name) for pattern in model._keys_to_ignore_on_load_unexpected)
    rewrite(tmp_path, lambda tensors: tensors.update({name: torch.ones(2, 2)}))
    said = []
    load_model(tmp_path, stream=stream, say=said.append)
    (line,) = said
    assert "not using 1 tensors" in line
    assert name in line


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("number", [1, 9])
def test_an_expert_too_few_or_too_many_is_refused_with_the_file(tmp_path, stream, number):
    _, names = saved(tmp_path, "mixtral")
    first = next(name for name in names if ".experts." in name)
    one = re.sub(r"experts\.\d+", f"experts.{number}", first)

    def changed(tensors):
        if tensors.pop(one, None) is None:
            tensors[one] = tensors[first].clone()

    rewrite(tmp_path, changed)
    with pytest.raises(TglError, match=re.escape(str(tmp_path))):
        load_model(tmp_path, stream=stream)


@pytest.mark.parametrize("stream", [False, True])
def test_experts_of_whole_numbers_are_refused(tmp_path, stream):
    _, names = saved(tmp_path, "mixtral")
    one = next(name for name in names if ".experts." in name)
    rewrite(tmp_path, lambda tensors: tensors.update({one: tensors[one].to(torch.int8)}))
    with pytest.raises(TglError, match=rf"'{re.escape(one)}' is of type I8, expected floating-point"):
        load_model(tmp_path, stream=stream)


@pytest.mark.parametrize("stream", [False, True])
def test_two_tensors_for_one_parameter_are_refused(tmp_path, stream):
    _, names = saved(tmp_path, "llama")
    one = next(name for name in names if name.endswith("q_proj.weight"))
    rewrite(tmp_path, lambda tensors: tensors.update({one.removeprefix("model."): tensors[one] + 1}))
    with pytest.raises(TglError, match=rf"found 2 tensors for '{re.escape(one)}'"):
        load_model(tmp_path, stream=stream)


def test_an_expert_without_tokens_is_no_value_of_another_block(tmp_path):
    model = twin("jetmoe").float()
    config = type(model.config)(**{**model.config.to_dict(), "num_local_experts": 16})
    type(model)(config).save_pretrained(tmp_path)
    assert load_model(tmp_path, stream=True).config.num_local_experts == 16


def test_the_hash_covers_saved_buffers():
    first, second = twin("deepseek_v3"), twin("deepseek_v3")
    assert weights_hash(first) == weights_hash(second)
    bias = next(value for name, value in second.named_buffers() if name.endswith("e_score_correction_bias"))
    bias += 1
    assert weights_hash(first) != weights_hash(second)


def test_a_pattern_of_tensors_to_leave_out_does_not_hide_experts_that_are_used(tmp_path, monkeypatch):
    """One pattern of GLM-4 is for two sizes, and names a real block of the larger one."""
    model, _ = saved(tmp_path, "mixtral")
    monkeypatch.setattr(type(model), "_keys_to_ignore_on_load_unexpected", [r"model\.layers\.1.*"])
    said = []
    load_model(tmp_path, say=said.append)
    assert said == []
