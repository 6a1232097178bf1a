"""Damaged, absent and sharded files of a model."""

import json
import struct

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.models.loading.damage import change, pointer, refusal
from tgl.core.errors import TglError
from tgl.models.checkpoint import load_model
from tgl.models.model_files import load_tensors


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


@pytest.mark.parametrize("name", ["é" * 400, "no/such/folder/anywhere", "\0"])
def test_a_name_that_is_none_is_refused(name):
    assert "expected a Hugging Face name or a folder" in refusal(name)
