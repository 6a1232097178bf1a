"""Folders of tiny models, whole and in shards."""

import pytest
from safetensors.torch import load_file, save_file

from tests.models.loading.damage import change
from tests.support.model_fixtures import tiny_model


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


@pytest.fixture
def sharded(tmp_path):
    model = tiny_model("llama", seed=3)
    model.save_pretrained(tmp_path, max_shard_size="20KB")
    shards = sorted(tmp_path.glob("model-*.safetensors"))
    assert len(shards) > 1
    return tmp_path, shards, model
