import pytest
from torch import nn
from transformers import AutoModelForCausalLM, OPTConfig

from tests.model_fixtures import CONFIGS, RANKED, tiny_model
from tgl.errors import TglError
from tgl.sublayers import EMBEDDING, ranked, sublayers


@pytest.mark.parametrize("kind", CONFIGS)
def test_every_parameter_is_in_exactly_one_unit(kind):
    model = tiny_model(kind)
    found = [id(parameter) for unit in sublayers(model) for parameter in unit.parameters.values()]
    assert len(found) == len(set(found))
    assert set(found) == {id(parameter) for parameter in model.parameters()}


@pytest.mark.parametrize("kind", CONFIGS)
def test_units_come_in_order_of_depth_with_embedding_last(kind):
    units = sublayers(tiny_model(kind))
    assert [unit.name for unit in units] == [*RANKED, EMBEDDING]
    assert [(unit.block, unit.part) for unit in units][:3] == [(0, "attention"), (0, "mlp"), (1, "attention")]
    assert [unit.name for unit in ranked(units)] == RANKED


@pytest.mark.parametrize("kind", CONFIGS)
def test_numbers_of_parameters_add_up_to_the_model_s(kind):
    model = tiny_model(kind)
    assert sum(unit.num_parameters for unit in sublayers(model)) == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_unit_holds_only_parameters_of_its_own_block_and_part(kind):
    words = {
        "attention": ("attn", "attention.", "ln_1", "input_layernorm"),
        "mlp": ("mlp", "ln_2", "post_attention_layernorm"),
    }
    for unit in ranked(sublayers(tiny_model(kind))):
        for name in unit.parameters:
            assert f".{unit.block}." in name
            assert any(word in name.split(f".{unit.block}.")[1] for word in words[unit.part])


def test_each_norm_belongs_to_the_sublayer_that_it_feeds():
    units = {unit.name: unit for unit in sublayers(tiny_model("gpt2"))}
    assert "transformer.h.0.ln_1.weight" in units["block00.attention"].parameters
    assert "transformer.h.0.ln_2.weight" in units["block00.mlp"].parameters
    assert "transformer.ln_f.weight" in units[EMBEDDING].parameters


def test_the_tied_weight_of_gpt2_counts_once_and_in_embedding():
    model = tiny_model("gpt2")
    unit = sublayers(model)[-1]
    assert model.lm_head.weight is model.transformer.wte.weight
    assert [name for name, p in unit.parameters.items() if p is model.lm_head.weight] == [
        "transformer.wte.weight"
    ]
    assert unit.num_parameters == (300 + 32 + 2) * 16


def test_the_untied_head_of_llama_is_in_embedding():
    model = tiny_model("llama")
    parameters = sublayers(model)[-1].parameters
    assert any(parameter is model.lm_head.weight for parameter in parameters.values())
    assert any(parameter is model.model.embed_tokens.weight for parameter in parameters.values())


def test_more_than_a_hundred_blocks_stay_in_order_of_depth():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.config = type("Config", (), {"model_type": "gpt2"})
            self.transformer = nn.Module()
            self.transformer.h = nn.ModuleList(nn.ModuleDict({"mlp": nn.Linear(1, 1)}) for _ in range(101))

    blocks = [unit.block for unit in ranked(sublayers(Model()))]
    assert blocks == list(range(101))


def test_an_unknown_architecture_is_refused_with_the_known_ones():
    config = OPTConfig(
        vocab_size=300, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, ffn_dim=16,
        word_embed_proj_dim=16, max_position_embeddings=32,
    )  # fmt: skip
    with pytest.raises(TglError, match=r"model type 'opt'.*gpt2, gpt_neo, gpt_neox, llama"):
        sublayers(AutoModelForCausalLM.from_config(config))


def test_a_model_without_a_configuration_is_refused_by_its_class():
    with pytest.raises(TglError, match="model type 'Linear'"):
        sublayers(nn.Linear(2, 2))


def test_a_block_with_a_child_of_no_sublayer_is_refused():
    model = tiny_model("gpt2")
    model.transformer.h[1].adapter = nn.Linear(16, 16)
    with pytest.raises(TglError, match=r"'transformer\.h\.1\.adapter\.weight'.*'adapter' is no known child"):
        sublayers(model)


def test_a_model_without_blocks_is_refused():
    model = tiny_model("gpt2")
    model.transformer.h = nn.ModuleList()
    with pytest.raises(TglError, match=r"no block found at 'transformer\.h'"):
        sublayers(model)
