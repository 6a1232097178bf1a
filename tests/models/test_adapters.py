"""Adapters of peft: refused unless they are to be merged, and then merged whole."""

import json
import shutil

import pytest
import torch
from peft import LoraConfig, PeftModel, PrefixTuningConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from tests.support.model_fixtures import tiny_model, tiny_tokenizer
from tgl.core.errors import TglError
from tgl.models.checkpoint import inspect_model, load_model, save_model
from tgl.models.matrices import adapter_parameters
from tgl.models.tokenizer import load_tokenizer


@pytest.fixture
def base(tmp_path):
    save_model(tiny_model("llama", seed=3), tiny_tokenizer(), tmp_path / "base")
    return tmp_path / "base"


@pytest.fixture
def adapter(tmp_path, base):
    """Return the folder of an adapter that changes predictions, next to its base model."""
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    torch.manual_seed(1)
    adapted = get_peft_model(
        model, LoraConfig(r=2, target_modules=["q_proj", "up_proj"], init_lora_weights=False)
    )
    adapted.save_pretrained(tmp_path / "adapter")
    assert adapted.peft_config["default"].base_model_name_or_path == str(base)
    return tmp_path / "adapter"


def refusal(path, **options):
    with pytest.raises(TglError) as caught:
        load_model(path, **options)
    return str(caught.value)


def logits(model):
    with torch.no_grad():
        return model(input_ids=torch.arange(12)[None]).logits


def next_to(base, adapter):
    """Put the adapter's files into its base model's folder."""
    for file in adapter.glob("adapter_*"):
        shutil.copy(file, base)
    return base


def test_an_adapter_is_refused_with_the_way_to_merge_it(base, adapter):
    for folder in (adapter, next_to(base, adapter)):
        for load in (load_model, inspect_model):
            with pytest.raises(TglError, match=r"holds an adapter.*--merge-adapter.*merge_adapter=True"):
                load(folder)


@pytest.mark.parametrize("place", ["of its own", "in the base's folder", "relative to the adapter"])
def test_a_merged_adapter_predicts_as_peft_does(base, adapter, place):
    expected = logits(
        PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), str(adapter)).eval()
    )
    plain = logits(load_model(base))
    if place == "in the base's folder":
        adapter = next_to(base, adapter)
    if place == "relative to the adapter":
        change(adapter, base_model_name_or_path="../base")
    merged = load_model(adapter, merge_adapter=True)
    assert torch.allclose(logits(merged), expected, atol=1e-5)
    assert not torch.allclose(plain, expected, atol=1e-3)
    assert [name for name, _ in merged.named_parameters()] == [
        name for name, _ in tiny_model("llama").named_parameters()
    ]
    assert all(parameter.requires_grad for parameter in merged.parameters())
    assert not merged.training


def test_a_merged_adapter_is_saved_as_a_whole_model(adapter, tmp_path):
    merged = load_model(adapter, merge_adapter=True)
    save_model(merged, load_tokenizer(adapter), tmp_path / "whole")
    assert torch.equal(logits(load_model(tmp_path / "whole")), logits(merged))


def test_the_base_models_tokenizer_serves_an_adapter_without_one(adapter):
    assert load_tokenizer(adapter).get_vocab() == tiny_tokenizer().get_vocab()


def change(adapter, **values):
    path = adapter / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def rewrite(adapter, function):
    path = adapter / "adapter_model.safetensors"
    save_file(function(load_file(path)), path, {"format": "pt"})


def first_gone(found):
    return dict(list(found.items())[1:])


def shaped(found):
    name = next(iter(found))
    return found | {name: torch.zeros(5, 5)}


def spoiled(found):
    next(iter(found.values()))[0, 0] = float("nan")
    return found


def renamed(found):
    return {name.replace("base_model.model.", ""): tensor for name, tensor in found.items()}


def one_more(found):
    return found | {"base_model.model.model.layers.9.mlp.up_proj.lora_A.weight": torch.ones(2, 16)}


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (first_gone, "lacks 1 tensors"),
        (shaped, "does not fit its base model"),
        (spoiled, "not finite"),
        (renamed, "lacks 8 tensors"),
        (one_more, "holds 1 tensors that"),
    ],
)
def test_a_damaged_adapter_is_refused(adapter, damage, found):
    rewrite(adapter, damage)
    message = refusal(adapter, merge_adapter=True)
    assert found in message
    assert str(adapter) in message


def test_a_cut_adapter_is_named(adapter):
    path = adapter / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    assert refusal(adapter, merge_adapter=True).startswith(f"{path}: not a whole safetensors file")


def test_pickled_adapters_are_refused(adapter):
    (adapter / "adapter_model.safetensors").rename(adapter / "adapter_model.bin")
    assert "no such file, found 'adapter_model.bin'" in refusal(adapter, merge_adapter=True)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"base_model_name_or_path": None}, "base_model_name_or_path is None"),
        ({"base_model_name_or_path": "/no/such/folder"}, "its base model cannot be found"),
        ({"target_modules": ["no_such_module"]}, "does not fit its base model"),
        ({"r": "two"}, "does not fit its base model"),
        ({"peft_type": "NO_SUCH"}, "peft_type is 'NO_SUCH'"),
        ({"auto_map": {"AutoModelForCausalLM": "own.Own"}}, "never runs"),
        ({"auto_mapping": {"base_model_class": "Own", "parent_library": "no_such_library"}}, ""),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(adapter, values, found):
    change(adapter, **values)
    if "auto_mapping" in values:
        load_model(adapter, merge_adapter=True)  # a hint that merging has no use for
    else:
        assert found in refusal(adapter, merge_adapter=True)


@pytest.mark.parametrize("text", ["{", "[]", ""])
def test_a_broken_configuration_is_named(adapter, text):
    (adapter / "adapter_config.json").write_text(text)
    assert str(adapter / "adapter_config.json") in refusal(adapter, merge_adapter=True)


def test_a_prefix_is_no_adapter_that_can_be_merged(base, tmp_path):
    model = AutoModelForCausalLM.from_pretrained(base)
    get_peft_model(model, PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=2)).save_pretrained(
        tmp_path / "prefix"
    )
    assert "peft_type is 'PREFIX_TUNING', expected LORA" in refusal(tmp_path / "prefix", merge_adapter=True)


def test_an_adapter_of_an_adapter_is_refused(base, adapter, tmp_path):
    shutil.copytree(adapter, tmp_path / "second")
    next_to(base, adapter)
    assert "Merge that adapter first" in refusal(tmp_path / "second", merge_adapter=True)


def test_a_base_model_that_is_not_whole_is_refused(base, adapter):
    path = base / "model.safetensors"
    (base / "model.safetensors.sha256").unlink()
    save_file(first_gone(load_file(path)), path, {"format": "pt"})
    assert "lacks 1 of the model's tensors" in refusal(adapter, merge_adapter=True)


def test_merging_a_whole_model_is_refused(base):
    assert "expected an adapter to merge" in refusal(base, merge_adapter=True)


def test_an_adapter_that_stays_inside_gives_the_predictions_of_the_merged_model(base, adapter):
    for folder_of in (lambda: adapter, lambda: next_to(base, adapter)):
        folder = folder_of()  # One after the other: the second makes the base's folder that of an adapter.
        kept, merged = load_model(folder, keep_adapter=True), load_model(folder, merge_adapter=True)
        torch.testing.assert_close(logits(kept), logits(merged))
        added = adapter_parameters(kept)
        assert sorted(p.numel() for p in added) == sorted(
            t.numel() for t in load_file(adapter / "adapter_model.safetensors").values()
        )
        assert not adapter_parameters(merged)


def test_an_adapter_to_keep_is_whole_and_asked_for_once(base, adapter):
    assert "expected one of the two" in refusal(adapter, merge_adapter=True, keep_adapter=True)
    assert "expected an adapter to keep. Remove keep_adapter" in refusal(base, keep_adapter=True)
    weights = adapter / "adapter_model.safetensors"
    tensors = load_file(weights)
    name = min(tensors)
    save_file({key: value for key, value in tensors.items() if key != name}, weights)
    assert "lacks 1 tensors that adapter_config.json asks for" in refusal(adapter, keep_adapter=True)
    save_file(tensors | {name: torch.full_like(tensors[name], torch.nan)}, weights)
    assert "hold values that are not finite" in refusal(adapter, keep_adapter=True)


@pytest.mark.parametrize("target", ["wte", "lm_head"])
def test_an_adapter_of_one_end_of_a_tied_model_leaves_the_other_end_alone(tmp_path, target):
    save_model(tiny_model("gpt2", seed=3), tiny_tokenizer(), tmp_path / "base")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "base", dtype=torch.float32)
    torch.manual_seed(1)
    inside = get_peft_model(model, LoraConfig(r=2, target_modules=[target], init_lora_weights=False)).eval()
    inside.save_pretrained(tmp_path / "adapter")
    expected = logits(inside)
    merged = load_model(tmp_path / "adapter", merge_adapter=True)
    torch.testing.assert_close(logits(merged), expected)
    save_model(merged, tiny_tokenizer(), tmp_path / "saved")
    torch.testing.assert_close(logits(load_model(tmp_path / "saved")), expected)


def test_a_configuration_next_to_an_adapter_is_no_model(base, adapter):
    expected = logits(load_model(adapter, merge_adapter=True))
    shutil.copy(base / "config.json", adapter)
    assert torch.equal(logits(load_model(adapter, merge_adapter=True)), expected)
