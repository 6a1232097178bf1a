"""A model is inspected without its weights, and loading keeps settings and draws nothing."""

import json

import pytest
import torch

from tests.models.loading.damage import change
from tests.support.model_fixtures import VOCABULARY, tiny_tokenizer
from tgl.core.errors import TglError
from tgl.models.checkpoint import inspect_model, load_model, save_model


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
