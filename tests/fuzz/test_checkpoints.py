"""Checkpoints with changed files: their weights are those that the files hold, or they are refused."""

import functools
import json
import struct
import tempfile
from pathlib import Path

import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load, load_file
from transformers import AutoModelForCausalLM, GPT2Config

from tests.fuzz.cases import (
    cases,
    changed,
    changed_files,
    damaged,
    in_memory,
    modest_values,
    once_changed,
    refused_or,
)
from tests.support.model_fixtures import tiny_tokenizer
from tgl.models.checkpoint import load_model, save_model

WEIGHTS, INDEX, CONFIG = "model.safetensors", "model.safetensors.index.json", "config.json"
TIED = {"lm_head.weight": "transformer.wte.weight"}
# What asks for code, for other weights, or for another reader.
ODD = [
    {"auto_map": {"AutoModelForCausalLM": "modeling.Model"}},
    {"quantization_config": {"quant_method": "gptq", "bits": 4}},
    {"tie_word_embeddings": False},
    {"model_type": "llama"},
    {"model_type": "nothing"},
    {"n_layer": 3},
    {"n_layer": 1},
    {"torch_dtype": "float16"},
]


@functools.cache
def good(sharded: bool) -> dict[str, bytes]:
    """Return the files of a tiny checkpoint by name, with its checksum, or in several shards without one."""
    torch.manual_seed(0)
    shape = {"vocab_size": 300, "n_positions": 8, "n_embd": 8, "n_layer": 2, "n_head": 2}
    model = AutoModelForCausalLM.from_config(GPT2Config(**shape, bos_token_id=0, eos_token_id=0))
    with tempfile.TemporaryDirectory() as made:
        if sharded:
            model.save_pretrained(made, max_shard_size="6KB")
        else:
            save_model(model, tiny_tokenizer(), Path(made))
        return {path.name: path.read_bytes() for path in Path(made).iterdir() if "token" not in path.name}


@st.composite
def changed_weights(draw, content: bytes):
    """Return a file of safetensors with damaged bytes, or with a header in which something was changed."""
    if draw(st.booleans()):
        return draw(damaged(content))
    (size,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + size])
    record = draw(once_changed(header, modest_values) | changed(header, modest_values))
    if draw(st.booleans()):  # a tensor by another name
        name = draw(st.sampled_from(sorted(header)))
        record = {("x" if key == name else key): value for key, value in header.items()}
    written = json.dumps(record).encode("utf-8", "surrogatepass")
    return struct.pack("<Q", len(written)) + written + content[8 + size :]


def in_files(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors that the files of a checkpoint hold, by name."""
    found = {}
    for file in path.glob("*.safetensors"):
        found |= load_file(file)
    return found


def check(path: Path) -> None:
    """Load a checkpoint, or see it refused; each of its weights must be what its files hold under its name."""
    with in_memory():
        model = refused_or(lambda: load_model(path), path)
    if model is None:
        return
    held = in_files(path)
    for name, weight in model.state_dict().items():
        stored = held.get(name, held.get(TIED.get(name), held.get(name.removeprefix("transformer."))))
        assert stored is not None, f"{name} stands in no file"
        torch.testing.assert_close(weight, stored.to(weight.dtype), rtol=0, atol=0, equal_nan=True)


@cases(0.008)
@given(st.data())
def test_a_changed_checkpoint_has_the_weights_of_its_files_or_is_refused(folder, data):
    path = folder / "checkpoint"
    path.mkdir(exist_ok=True)
    files = dict(good(sharded=False))
    kind = data.draw(st.sampled_from(["weights", "config", "odd", "checksum"]))
    if kind == "weights":
        files[WEIGHTS] = data.draw(changed_weights(files[WEIGHTS]))
    elif kind == "config":
        files[CONFIG] = data.draw(changed_files(json.loads(files[CONFIG]), files[CONFIG]))
    elif kind == "odd":
        files[CONFIG] = json.dumps(json.loads(files[CONFIG]) | data.draw(st.sampled_from(ODD))).encode()
    else:
        files[f"{WEIGHTS}.sha256"] = data.draw(damaged(files[f"{WEIGHTS}.sha256"]))
    has_checksum = data.draw(st.booleans())
    for name, content in files.items():
        (path / name).write_bytes(content)
    if not has_checksum:
        (path / f"{WEIGHTS}.sha256").unlink()
    check(path)
    if has_checksum and kind == "weights" and files[WEIGHTS] != good(sharded=False)[WEIGHTS]:
        assert refused_or(lambda: load_model(path), path) is None, "the checksum is of other weights"


@cases(0.004)
@given(st.data())
def test_changed_shards_have_the_weights_of_their_files_or_are_refused(folder, data):
    path = folder / "shards"
    path.mkdir(exist_ok=True)
    files = dict(good(sharded=True))
    assert len(files) > 4
    target = data.draw(st.sampled_from([INDEX, INDEX, *sorted(files)]))
    if target.endswith(".json"):
        files[target] = data.draw(changed_files(json.loads(files[target]), files[target]))
    else:
        files[target] = data.draw(changed_weights(files[target]) | st.just(None))
    for name, content in files.items():
        if content is None:
            (path / name).unlink(missing_ok=True)
        else:
            (path / name).write_bytes(content)
    check(path)


def test_the_checkpoints_are_loaded_as_they_are(folder):
    for sharded in (False, True):
        path = folder / f"whole{sharded}"
        path.mkdir()
        for name, content in good(sharded).items():
            (path / name).write_bytes(content)
        check(path)
        assert load_model(path).num_parameters() > 1000
    assert load(good(sharded=False)[WEIGHTS]).keys() > {"transformer.wte.weight"}
