"""Tokens of another tokenizer, and ids beyond the embedding, are refused before work starts, in every stage."""

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForCausalLM, GPT2Config, PreTrainedTokenizerFast

from tests.models.fit.stages import PROFILE, agreed, along, base, score
from tests.support.model_fixtures import (
    BLOCK,
    TEXTS,
    VOCABULARY,
    some_probes,
    some_tokens,
    tiny_model,
    tiny_tokenizer,
)
from tests.train.continual_runs import PERIODS, go, run_of, write_inputs
from tgl.core.errors import TglError
from tgl.models.checkpoint import make_model, save_model
from tgl.models.settings import ModelConfig
from tgl.models.tokenizer import num_ids, train_tokenizer
from tgl.profiling.profile import profile
from tgl.text.tokens import write_blocks


def with_gaps():
    """Return a tokenizer of the words of TEXTS whose ids leave out a hundred numbers."""
    words = sorted({word for text in TEXTS for word in text.replace(".", " .").split()})
    ids = (
        {"<unk>": 0, "</s>": 1}
        | {f"w{n}": 2 + n for n in range(260)}
        | {w: 400 + n for n, w in enumerate(words)}
    )
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>", unk_token="<unk>")


def model_of(vocabulary, positions=BLOCK):
    config = GPT2Config(
        vocab_size=vocabulary,
        n_positions=positions,
        n_embd=16,
        n_layer=2,
        n_head=2,
        bos_token_id=0,
        eos_token_id=0,
    )
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(config).eval()


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    """Return a table `tokens` of a tokenizer with another vocabulary of the same size."""
    folder = tmp_path_factory.mktemp("foreign")
    train_tokenizer([text[::-1] for text in TEXTS], VOCABULARY, folder)
    other = PreTrainedTokenizerFast.from_pretrained(folder)
    write_blocks([("train", text) for text in TEXTS], other, BLOCK, output=folder / "tokens.parquet")
    return folder / "tokens.parquet"


def test_every_stage_refuses_tokens_of_another_tokenizer(tmp_path, inputs, foreign):
    stages = {
        "base": lambda: base(tmp_path, inputs / "base", foreign),
        "score": lambda: score(tmp_path, tiny_model(), tiny_tokenizer(), foreign),
        "profile": lambda: profile(
            tiny_model(), tokenizer=tiny_tokenizer(), probes=some_probes(), corpus=foreign, settings=PROFILE
        ),
        "along": lambda: along(inputs / "base", inputs / "probes.parquet", foreign),
        "train, base text": lambda: go(run_of(inputs, tmp_path, base_tokens=foreign)),
        "train, last period": lambda: go(
            run_of(inputs, tmp_path, tokens={PERIODS[0]: inputs / "base.parquet", PERIODS[1]: foreign})
        ),
    }
    for name, stage in stages.items():
        with pytest.raises(TglError, match=r"tokens\.parquet: packed with another tokenizer"):
            stage()
        assert not (tmp_path / "state").exists(), name


def test_every_stage_refuses_a_tokenizer_with_more_ids_than_embeddings(tmp_path):
    tokenizer, model = with_gaps(), model_of(num_ids(with_gaps()) - 1)
    assert len(tokenizer) < model.get_input_embeddings().num_embeddings
    tokens = tmp_path / "tokens.parquet"
    write_blocks([("train", text) for text in TEXTS], tokenizer, BLOCK, output=tokens)
    write_inputs(tmp_path)
    save_model(model, tokenizer, tmp_path / "small")
    run = run_of(tmp_path, tmp_path, base_model=tmp_path / "small")
    stages = {
        "base": lambda: base(tmp_path, tmp_path / "small", tokens, load=str(tmp_path / "small")),
        "score": lambda: score(tmp_path, model, tokenizer, tokens),
        "profile": lambda: profile(
            model, tokenizer=tokenizer, probes=some_probes(), corpus=tokens, settings=PROFILE
        ),
        "agree": lambda: agreed(tmp_path / "small", tmp_path, tmp_path / "probes.parquet"),
        "train": lambda: go(run),
    }
    for name, stage in stages.items():
        with pytest.raises(TglError, match=f"go up to {num_ids(tokenizer) - 1}; expected a row for each"):
            stage()
        assert not (tmp_path / "state").exists(), name


def test_a_vocabulary_with_gaps_is_made_packed_and_profiled(tmp_path):
    tokenizer = with_gaps()
    model = make_model(ModelConfig(layers=2, hidden_size=16, heads=2), tokenizer, BLOCK, seed=0)
    assert model.get_input_embeddings().num_embeddings == num_ids(tokenizer) > len(tokenizer)
    tokens = tmp_path / "tokens.parquet"
    write_blocks([("train", text) for text in TEXTS], tokenizer, BLOCK, output=tokens)
    found = profile(
        model, tokenizer=tokenizer, probes=some_probes(), corpus=tokens, settings=PROFILE, twin=False
    )
    assert len(found.profile)


@pytest.mark.parametrize("token", [-1, VOCABULARY])
def test_an_array_of_tokens_with_strange_ids_is_refused(token):
    stream = some_tokens(200)
    stream[17] = token
    with pytest.raises(
        TglError, match=f"token ids from {token} to|found token {token}, expected ids from 0 to"
    ):
        profile(
            tiny_model(), tokenizer=tiny_tokenizer(), probes=some_probes(), corpus=stream, settings=PROFILE
        )
