"""Model, tokenizer and text that do not belong together are refused before work starts, in every stage."""

import dataclasses
import json
import shutil
import subprocess
import sys

import pytest
import torch
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer, models, pre_tokenizers
from torch.ao.quantization import quantize_dynamic
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    GPT2Model,
    PretrainedConfig,
    PreTrainedTokenizerFast,
)

from tests.support.model_fixtures import (
    ARCHITECTURES,
    BLOCK,
    TEXTS,
    VOCABULARY,
    some_probes,
    some_tokens,
    tiny_model,
    tiny_tokenizer,
    write_probes,
)
from tests.support.paths import REPOSITORY
from tests.train.continual_runs import PERIODS, SETTINGS, go, run_of, write_inputs
from tgl.analysis.agreement import agree
from tgl.analysis.settings import AgreeConfig
from tgl.core.errors import TglError
from tgl.core.tables import read_table
from tgl.evaluate.score import max_length
from tgl.evaluate.stage import score_checkpoint
from tgl.models.checkpoint import load_checkpoint, load_model, make_model, save_model, weights_hash
from tgl.models.fit import check_object, num_positions
from tgl.models.settings import ModelConfig, PretrainConfig
from tgl.models.tokenizer import num_ids, train_tokenizer
from tgl.plans.settings import PlanConfig
from tgl.plans.stage import write_plan
from tgl.profiling.along import profile_along
from tgl.profiling.profile import profile
from tgl.profiling.settings import ProfileConfig
from tgl.text.settings import TokensConfig
from tgl.text.tokens import write_blocks
from tgl.train.base import Base, train_base
from tgl.train.settings import EngineConfig

PROFILE = ProfileConfig(examples=3, bootstrap=100)


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
def inputs(tmp_path_factory):
    return write_inputs(tmp_path_factory.mktemp("inputs"))


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    """Return a table `tokens` of a tokenizer with another vocabulary of the same size."""
    folder = tmp_path_factory.mktemp("foreign")
    train_tokenizer([text[::-1] for text in TEXTS], VOCABULARY, folder)
    other = PreTrainedTokenizerFast.from_pretrained(folder)
    write_blocks([("train", text) for text in TEXTS], other, BLOCK, output=folder / "tokens.parquet")
    return folder / "tokens.parquet"


def base(tmp_path, tokenizer, tokens, block_size=BLOCK, **settings):
    pretrain = PretrainConfig(steps=1, batch_size=2, keep=[], learning_rate=0.006)
    given = {"layers": 2, "hidden_size": 16, "heads": 2, "pretrain": pretrain} | settings
    wanted = Base(
        tokenizer=tokenizer,
        tokens=tokens,
        output=tmp_path / "model",
        steps=tmp_path / "steps.parquet",
        state=tmp_path / "state",
        model=ModelConfig(**given),
        block_size=block_size,
        engine=EngineConfig(engine="plain"),
        seed=0,
    )
    train_base(wanted)


def score(tmp_path, model, tokenizer, tokens, block_size=BLOCK):
    probes = write_probes(tmp_path / "probes.parquet")
    score_checkpoint(
        model, tokenizer, probes=probes, texts={"base": tokens}, checkpoint="20200101", block_size=block_size,
        folder=tmp_path,
    )  # fmt: skip


def along(folder, probes, corpus):
    return profile_along({0: folder}, probes, corpus, period=PERIODS[0], settings=PROFILE, seed=0)


def agreed(folder, profile, probes):
    return agree(load_checkpoint(folder), profile, probes, settings=AgreeConfig(), seed=0)


# Tokens of another tokenizer


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


# Ids beyond the embedding


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


# Blocks beyond the positions


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


# Adapters and shards


@pytest.fixture
def adapter(inputs, tmp_path):
    torch.manual_seed(1)
    config = LoraConfig(r=2, target_modules=["c_attn"], init_lora_weights=False, fan_in_fan_out=True)
    get_peft_model(AutoModelForCausalLM.from_pretrained(inputs / "base"), config).save_pretrained(
        tmp_path / "adapter"
    )
    return tmp_path / "adapter"


def test_every_stage_refuses_an_adapter_that_is_not_to_be_merged(tmp_path, inputs, adapter):
    probes, text = inputs / "probes.parquet", inputs / "base.parquet"
    stages = {
        "base": lambda: base(tmp_path, inputs / "base", text, load=str(adapter)),
        "profile": lambda: profile(adapter, probes=probes, corpus=text, settings=PROFILE),
        "along": lambda: along(adapter, probes, text),
        "agree": lambda: agreed(adapter, tmp_path, probes),
        "train": lambda: go(run_of(inputs, tmp_path, base_model=adapter)),
        "plan": lambda: write_plan(
            inputs / "profile.parquet",
            "spectrum",
            tmp_path / "plan.json",
            settings=PlanConfig(),
            seed=0,
            model=adapter,
        ),
    }
    for name, stage in stages.items():
        with pytest.raises(TglError, match=r"adapter_config\.json: the folder holds an adapter"):
            stage()
        assert not (tmp_path / "state").exists(), name


def test_a_merged_adapter_is_profiled_compared_and_made_a_base_model(tmp_path, inputs, adapter):
    merged = load_model(adapter, merge_adapter=True)
    given = {
        "probes": inputs / "probes.parquet",
        "corpus": inputs / "base.parquet",
        "settings": PROFILE,
        "twin": False,
    }
    found = profile(adapter, merge_adapter=True, **given)
    assert found.about["model_sha256"] == weights_hash(merged)
    assert found.about["model_sha256"] != profile(inputs / "base", **given).about["model_sha256"]
    found.save(tmp_path / "profile")
    with pytest.raises(TglError, match="the profile belongs to weights"):  # another model: it was merged
        agreed(inputs / "base", tmp_path / "profile", inputs / "probes.parquet")
    unchanged = PretrainConfig(steps=0, keep=[])
    base(
        tmp_path, inputs / "base", inputs / "base.parquet",
        load=str(adapter), merge_adapter=True, pretrain=unchanged,
    )  # fmt: skip
    assert weights_hash(load_model(tmp_path / "model")) == weights_hash(merged)
    assert not (tmp_path / "model" / "adapter_config.json").exists()


def test_a_base_model_in_shards_is_trained(tmp_path, inputs):
    model = tiny_model(seed=11)
    model.save_pretrained(tmp_path / "shards", max_shard_size="15KB")
    tiny_tokenizer().save_pretrained(tmp_path / "shards")
    assert len(list((tmp_path / "shards").glob("model-*.safetensors"))) > 1
    for name, folder in (("shards", tmp_path / "shards"), ("whole", inputs / "base")):
        go(run_of(inputs, tmp_path / name, base_model=folder))
    last = [load_model(tmp_path / name / "models" / PERIODS[1]) for name in ("shards", "whole")]
    assert weights_hash(last[0]) == weights_hash(last[1])


# Objects


def test_a_model_object_without_values_is_refused():
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(ARCHITECTURES["gpt2"])
    with pytest.raises(TglError, match=r"'transformer\.wte\.weight' is on the device 'meta'"):
        profile(model, tokenizer=tiny_tokenizer(), probes=some_probes(), corpus=some_tokens(200))


@pytest.mark.filterwarnings("ignore")
def test_a_quantised_model_object_is_refused():
    model = quantize_dynamic(tiny_model("llama"), {torch.nn.Linear})
    with pytest.raises(TglError, match=r"'model\.layers\.0\.self_attn\.q_proj' is a quantised Linear"):
        profile(model, tokenizer=tiny_tokenizer(), probes=some_probes(), corpus=some_tokens(200))


def test_weights_of_whole_numbers_are_refused():
    model = tiny_model("llama")
    weight = torch.nn.Parameter(torch.ones(32, 16, dtype=torch.int8), requires_grad=False)
    model.model.layers[1].mlp.up_proj.weight = weight
    with pytest.raises(TglError, match=r"'model\.layers\.1\.mlp\.up_proj\.weight' is of type torch\.int8"):
        check_object(model)


def test_a_model_object_without_head_is_refused():
    with pytest.raises(TglError, match="GPT2Model has no output head"):
        check_object(GPT2Model(ARCHITECTURES["gpt2"]))


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_whole_model_objects_pass(kind):
    check_object(tiny_model(kind))
    check_object(tiny_model(kind).to(torch.bfloat16))


def test_what_is_no_model_is_refused():
    with pytest.raises(TglError, match="found Linear, expected a folder, a Hugging Face name or a causal"):
        profile(
            torch.nn.Linear(2, 2), tokenizer=tiny_tokenizer(), probes=some_probes(), corpus=some_tokens(200)
        )


# Whole commands


def run(*arguments, **options):
    command = [sys.executable, "-m", "tgl", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, timeout=300, **options)


def test_the_command_line_merges_an_adapter_when_it_is_asked_to(tmp_path, inputs, adapter):
    arguments = [
        "score", adapter, "--probes", inputs / "probes.parquet", "--text", f"base={inputs / 'base.parquet'}",
        "--output", tmp_path / "merged", "--checkpoint", "20200101",
        "--config", f'{{"block_size": {BLOCK}, "vocab_size": {VOCABULARY}}}',
    ]  # fmt: skip
    done = run(*arguments, "--merge-adapter")
    assert done.returncode == 0, done.stderr
    score(tmp_path / "plain", load_model(inputs / "base"), tiny_tokenizer(), inputs / "base.parquet")
    losses = [
        read_table(folder / "lm_loss.parquet", "lm_loss")["negative_log_likelihood"][0].as_py()
        for folder in (tmp_path / "merged", tmp_path / "plain")
    ]
    assert losses[0] != losses[1]


def test_the_command_line_asks_no_question_and_prints_no_traceback(tmp_path, inputs):
    model = tmp_path / "model"
    shutil.copytree(inputs / "base", model)
    config = json.loads((model / "config.json").read_text())
    own = {"model_type": "its_own", "auto_map": {"AutoConfig": "own.Own", "AutoTokenizer": ["own.Own", None]}}
    (model / "config.json").write_text(json.dumps(config | own))
    (model / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    done = run(
        "profile", model, "--probes", inputs / "probes.parquet", "--corpus", inputs / "base.parquet",
        "--output", tmp_path / "out", input="y\n" * 20,
    )  # fmt: skip
    assert done.returncode == 1
    assert f"{model / 'config.json'}: names code of its own" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "ran").exists()
