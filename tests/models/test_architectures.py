import pytest
import torch
from transformers import AutoModelForCausalLM

from tests.support.model_fixtures import (
    BLOCK,
    VOCABULARY,
    some_tokens,
    tiny_tokenizer,
    tokenizer_folder,
    write_tokens,
)
from tgl.core.tables.read import read_table
from tgl.models import architecture as of_architecture
from tgl.models.architecture import architecture_config
from tgl.models.checkpoint import make_model
from tgl.models.settings import ModelConfig, PretrainConfig
from tgl.models.sublayers import EMBEDDING, sublayers
from tgl.text.tokens import read_stream
from tgl.train.base import Base, train_base
from tgl.train.engines.interface import language_model_loss
from tgl.train.settings import TrainConfig

ARCHITECTURES = ["gpt2", "gpt_neo", "llama", "mamba", "tgl_gru"]
PARTS = {"mamba": ["mixer"], "tgl_gru": ["mixer"]}
PRETRAIN = PretrainConfig(steps=40, keep=[], batch_size=2, learning_rate=0.01)


def settings_for(architecture, layers=2, hidden=16, heads=2):
    return ModelConfig(
        architecture=architecture, layers=layers, hidden_size=hidden, heads=heads, pretrain=PRETRAIN
    )


def config_of(architecture, **shape):
    return architecture_config(settings_for(architecture, **shape), VOCABULARY, BLOCK, end_token=3)


def made(architecture, seed=0, **shape):
    return make_model(settings_for(architecture, **shape), tiny_tokenizer(), BLOCK, seed=seed)


def shapes(model):
    return {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}


def test_every_architecture_that_may_be_configured_is_tested_here():
    assert list(of_architecture.ARCHITECTURES) == ARCHITECTURES


@pytest.fixture(scope="module", params=ARCHITECTURES)
def pretrained(request, tmp_path_factory):
    """Return an architecture and the folder where its base model was trained."""
    folder = tmp_path_factory.mktemp(request.param)
    write_tokens(folder / "tokens.parquet")
    wanted = Base(
        tokenizer=tokenizer_folder(),
        tokens=folder / "tokens.parquet",
        output=folder / "model",
        steps=folder / "steps.parquet",
        state=folder / "state",
        model=settings_for(request.param),
        block_size=BLOCK,
        engine=TrainConfig(engine="plain"),
        seed=0,
    )
    train_base(wanted, lambda line: None)
    return request.param, folder


def test_each_architecture_learns_and_loads_back_as_it_is_told(pretrained):
    architecture, folder = pretrained
    losses = read_table(folder / "steps.parquet", "steps").to_pandas()["loss"]
    assert losses.iloc[0] == pytest.approx(torch.log(torch.tensor(float(VOCABULARY))).item(), abs=0.5)
    assert losses.iloc[-5:].mean() < losses.iloc[:5].mean() - 0.5
    model = AutoModelForCausalLM.from_pretrained(folder / "model")
    assert model.config.model_type == architecture
    assert shapes(model) == shapes(made(architecture))
    # What was loaded is what was trained: it predicts a batch of the text as well as the last steps did.
    tokens = torch.from_numpy(read_stream(folder / "tokens.parquet", "train")[:BLOCK]).long()[None]
    with torch.no_grad():
        assert language_model_loss(model, tokens).item() < losses.iloc[:5].mean() - 0.5


def test_every_unit_has_been_trained_and_has_a_known_name(pretrained):
    architecture, folder = pretrained
    model, start = AutoModelForCausalLM.from_pretrained(folder / "model"), made(architecture)
    before = dict(start.named_parameters())
    units = sublayers(model)
    parts = PARTS.get(architecture, ["attention", "mlp"])
    assert [unit.name for unit in units] == [
        *(f"block{n:02d}.{part}" for n in (0, 1) for part in parts),
        EMBEDDING,
    ]
    assert sum(unit.num_parameters for unit in units) == sum(p.numel() for p in model.parameters())
    for unit in units:
        assert any(not torch.equal(p, before[name]) for name, p in unit.parameters.items()), unit.name


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_embedding_and_head_are_one_tensor(architecture):
    model = made(architecture)
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    assert model.get_input_embeddings().weight.shape == (len(tiny_tokenizer()), 16)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_shape_follows_the_settings(architecture):
    model = made(architecture, layers=3, hidden=24, heads=4)
    blocks = {unit.block for unit in sublayers(model)} - {-1}
    assert blocks == {0, 1, 2}
    assert model.get_input_embeddings().weight.shape[1] == 24
    config = model.config
    assert (config.hidden_size, config.num_hidden_layers, config.vocab_size) == (24, 3, len(tiny_tokenizer()))
    if architecture not in PARTS:
        assert config.num_attention_heads == 4
    if architecture != "mamba":  # which knows no last position
        assert config.max_position_embeddings == BLOCK
    assert (config.bos_token_id, config.eos_token_id) == (tiny_tokenizer().eos_token_id,) * 2


def test_widths_inside_a_block_are_each_architecture_s_own():
    def rows(architecture, ending, hidden=96, heads=4):
        found = {shape for name, shape in shapes(made(architecture, hidden=hidden, heads=heads)).items()
                 if name.endswith(ending)}  # fmt: skip
        assert len(found) == 1
        return found.pop()

    assert rows("gpt2", "mlp.c_fc.weight") == (96, 4 * 96)
    assert rows("gpt_neo", "mlp.c_fc.weight") == (4 * 96, 96)
    assert rows("llama", "mlp.gate_proj.weight") == (256, 96)  # 8 / 3 * 96
    assert rows("llama", "mlp.gate_proj.weight", hidden=64) == (176, 64)  # 170.7, up to a multiple of 8
    assert rows("llama", "self_attn.k_proj.weight") == (96, 96)
    assert rows("mamba", "mixer.out_proj.weight") == (96, 2 * 96)
    assert rows("tgl_gru", "gru.weight_hh_l0") == (3 * 96, 96)


@pytest.mark.parametrize(("layers", "expected"), [(1, ["global"]), (2, ["global", "local"]), (5, None)])
def test_gpt_neo_alternates_global_and_local_attention_over_a_quarter_of_the_block(layers, expected):
    config = config_of("gpt_neo", layers=layers)
    assert config.attention_layers == (expected or ["global", "local", "global", "local", "global"])
    assert config.window_size == BLOCK // 4
    assert architecture_config(settings_for("gpt_neo"), VOCABULARY, 2, end_token=3).window_size == 1


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_nothing_is_dropped_out_in_training(architecture):
    model = made(architecture, seed=1).train()
    tokens = torch.from_numpy(some_tokens(40)).long()[None, :BLOCK]
    with torch.no_grad():
        first, second = (model(input_ids=tokens).logits for _ in range(2))
        evaluated = model.eval()(input_ids=tokens).logits
    assert torch.equal(first, second)
    assert torch.allclose(first, evaluated, atol=1e-6)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_later_token_changes_no_earlier_prediction(architecture):
    model = made(architecture, seed=2).eval()
    tokens = torch.from_numpy(some_tokens(BLOCK, end_every=99)).long()[None]
    other = tokens.clone()
    other[0, 20:] = 7
    with torch.no_grad():
        one, changed = (model(input_ids=ids).logits[0] for ids in (tokens, other))
    assert torch.allclose(one[:20], changed[:20], atol=1e-5)
    assert not torch.allclose(one[20:], changed[20:], atol=1e-3)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_seed_draws_the_weights(architecture):
    one, same, other = (dict(made(architecture, seed=seed).named_parameters()) for seed in (4, 4, 5))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)
