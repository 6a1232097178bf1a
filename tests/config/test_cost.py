import pytest

from tests.support.model_fixtures import tiny_model
from tgl.config import cost
from tgl.config.check import check
from tgl.config.cost import num_parameters, trained_tokens, training_seconds

KEYS = {"seeds": [0, 1], "methods": ["full", "last"], "tokens": {"block_size": 32, "vocab_size": 400}}


def test_tokens_are_those_of_every_run_and_seed():
    keys = KEYS | {
        "model": {"pretrain": {"steps": 10, "batch_size": 4, "keep": []}},
        "train": {"steps": 5, "batch_size": 2, "learning_rates": [0.1, 0.2]},
    }
    config = check(keys)
    assert trained_tokens(config) == (10 * 4 * 32 * 2, 5 * 2 * 32 * 3 * 4 * 2)


def test_parameters_are_counted_without_weights(tmp_path):
    model = tiny_model()
    model.save_pretrained(tmp_path)
    number = sum(parameter.numel() for parameter in model.parameters())
    loaded = {
        "model": {"load": str(tmp_path), "pretrain": {"steps": 0, "keep": []}},
        "train": {"learning_rates": [0.1]},
    }
    tokens = KEYS["tokens"] | {"tokenizer": str(tmp_path)}
    assert num_parameters(check(KEYS | loaded | {"tokens": tokens})) == number
    scratch = check(KEYS | {"model": {"layers": 2, "hidden_size": 48, "heads": 4}})
    assert num_parameters(scratch) == (400 + 32) * 48 + 2 * (12 * 48**2 + 13 * 48) + 2 * 48


def test_the_time_is_that_of_the_operations(monkeypatch):
    monkeypatch.setattr(cost, "matrix_speed", lambda dtype, device: 1e9)
    config = check(KEYS)
    expected = 6 * num_parameters(config) * sum(trained_tokens(config)) / (cost.REACHED * 1e9)
    assert training_seconds(config) == pytest.approx(expected)
