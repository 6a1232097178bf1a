"""Blocks longer than the model's positions are refused before work starts, in every stage."""

import dataclasses

import pytest
from transformers import PretrainedConfig

from tests.models.fit.stages import base, score
from tests.support.model_fixtures import ARCHITECTURES, BLOCK, VOCABULARY, tiny_model, tiny_tokenizer
from tests.train.continual_runs import SETTINGS, go, run_of
from tgl.core.errors import TglError
from tgl.evaluate.score import max_length
from tgl.models.checkpoint import save_model
from tgl.models.fit import num_positions
from tgl.text.settings import TokensConfig


@pytest.mark.parametrize("kind", ["gpt2", "llama", "opt"])
def test_blocks_longer_than_the_positions_are_refused(tmp_path, inputs, kind):
    save_model(tiny_model(kind), tiny_tokenizer(), tmp_path / "given")
    long = dataclasses.replace(SETTINGS, tokens=TokensConfig(vocab_size=VOCABULARY, block_size=BLOCK + 1))
    stages = {
        "base": lambda: base(
            tmp_path, tmp_path / "given", inputs / "base.parquet", BLOCK + 1, load=str(tmp_path / "given")
        ),
        "score": lambda: score(
            tmp_path, tiny_model(kind), tiny_tokenizer(), inputs / "base.parquet", BLOCK + 1
        ),
        "train": lambda: go(run_of(inputs, tmp_path, base_model=tmp_path / "given"), long),
    }
    for name, stage in stages.items():
        with pytest.raises(TglError, match=f"has {BLOCK} positions, and tokens.block_size is {BLOCK + 1}"):
            stage()
        assert not (tmp_path / "state").exists(), name


def test_a_model_without_positions_takes_blocks_of_any_length(tmp_path, inputs):
    score(tmp_path, tiny_model("mamba"), tiny_tokenizer(), inputs / "base.parquet", 4 * BLOCK)


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_positions_are_found_whatever_their_key(kind):
    expected = None if kind == "mamba" else BLOCK
    assert num_positions(ARCHITECTURES[kind]) == expected


@pytest.mark.parametrize("value", [-1, 0, None, "many"])
def test_what_is_no_number_of_positions_bounds_nothing(value):
    config = PretrainedConfig()
    config.max_position_embeddings = value
    assert num_positions(config) is None
    model = tiny_model()
    model.config = config
    assert max_length(model) == 2048
