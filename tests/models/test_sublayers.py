import pytest
import torch
from torch import nn

from tests.support.model_fixtures import ARCHITECTURES, CONFIGS, RANKED, tiny_model
from tgl.core.errors import TglError
from tgl.models.sublayers import EMBEDDING, blocks, final_norm, ranked, sublayers

PARTS = {"rwkv": ["sequence_mixer", "channel_mixer"], "mamba": ["mixer"], "tgl_gru": ["mixer"]}


def parts_of(kind):
    return PARTS.get(kind, ["attention", "mlp"])


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_every_parameter_is_in_exactly_one_unit(kind):
    model = tiny_model(kind)
    found = [id(parameter) for unit in sublayers(model) for parameter in unit.parameters.values()]
    assert len(found) == len(set(found))
    assert set(found) == {id(parameter) for parameter in model.parameters()}


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_units_come_in_order_of_depth_with_embedding_last(kind):
    units = sublayers(tiny_model(kind))
    expected = [(f"block{block:02d}.{part}", block, part) for block in (0, 1) for part in parts_of(kind)]
    assert [(unit.name, unit.block, unit.part) for unit in ranked(units)] == expected
    assert [(unit.name, unit.block, unit.part) for unit in units[len(expected) :]] == [
        (EMBEDDING, -1, EMBEDDING)
    ]
    if kind in CONFIGS:
        assert [unit.name for unit in ranked(units)] == RANKED


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_numbers_of_parameters_add_up_to_the_model_s(kind):
    model = tiny_model(kind)
    assert sum(unit.num_parameters for unit in sublayers(model)) == sum(p.numel() for p in model.parameters())


WORDS = {
    "attention": ("attn", "attention.", "ln_1", "input_layernorm"),
    "mlp": ("mlp", "ln_2", "post_attention_layernorm"),
    "sequence_mixer": ("ln1.", "attention."),
    "channel_mixer": ("ln2.", "feed_forward."),
    "mixer": ("norm.", "mixer.", "gru."),
}
WORDS_OF = {
    "olmo2": {
        "attention": ("self_attn", "post_attention_layernorm"), "mlp": ("mlp", "post_feedforward_layernorm"),
    },
    "opt": {"attention": ("self_attn.", "self_attn_layer_norm"), "mlp": ("fc1", "fc2", "final_layer_norm")},
}  # fmt: skip


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_a_unit_holds_only_parameters_of_its_own_block_and_part(kind):
    for unit in ranked(sublayers(tiny_model(kind))):
        for name in unit.parameters:
            assert f".{unit.block}." in f".{name}"
            assert any(
                word in name.split(f"{unit.block}.", 1)[1] for word in WORDS_OF.get(kind, WORDS)[unit.part]
            )


def returned_by_block(model, own, values):
    """Return what the block of the units `own` returns when their output modules return constants instead."""
    block = model.get_submodule(next(iter(own[0].parameters)).split(f".{own[0].block}.")[0])[own[0].block]
    kept, handles = [], []

    def constant(value):
        def hook(module, inputs, output):
            whole = isinstance(output, tuple)
            first = torch.full_like(output[0] if whole else output, value)
            return (first, *output[1:]) if whole else first

        return hook

    for unit, value in zip(own, values, strict=True):
        handles.append(unit.output.register_forward_hook(constant(value)))
    handles.append(block.register_forward_hook(lambda module, inputs, output: kept.append(output)))
    with torch.no_grad():
        model(input_ids=torch.tensor([[5, 7, 9, 11]]), use_cache=False)
    for handle in handles:
        handle.remove()
    return kept[0][0] if isinstance(kept[0], tuple) else kept[0]


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_what_the_output_module_returns_is_added_to_the_residual_stream(kind):
    model = tiny_model(kind)
    model.train(kind == "rwkv")  # in evaluation mode RWKV halves what it adds
    for block in (0, 1):
        own = [unit for unit in ranked(sublayers(model)) if unit.block == block]
        without = returned_by_block(model, own, [0.0] * len(own))
        for unit in own:
            found = returned_by_block(model, own, [1.0 if other is unit else 0.0 for other in own])
            assert torch.allclose(found - without, torch.ones_like(found), atol=1e-5), unit.name


def test_embedding_has_no_output_module():
    assert sublayers(tiny_model())[-1].output is None


@pytest.mark.parametrize("kind", ARCHITECTURES)
@torch.no_grad()
def test_the_blocks_and_the_final_norm_make_the_whole_way_to_the_head(kind):
    model, ids = tiny_model(kind), torch.tensor([[5, 17, 200]])
    assert len(blocks(model)) == 2
    if kind == "rwkv":
        with pytest.raises(TglError, match=r"'rwkv'.*rescaled in evaluation mode"):
            final_norm(model)
        return
    seen = []
    for module in (*blocks(model), final_norm(model), model.get_output_embeddings()):
        module.register_forward_hook(lambda module, inputs, output: seen.append((inputs[0], output)))
    model(ids)
    states = [output[0] if isinstance(output, tuple) else output for _, output in seen]
    assert all(torch.equal(into, state) for (into, _), state in zip(seen[1:], states, strict=False))


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


def test_the_norm_that_rwkv_puts_before_its_first_block_is_in_embedding():
    units = {unit.name: unit for unit in sublayers(tiny_model("rwkv"))}
    names = {"rwkv.blocks.0.pre_ln.weight", "rwkv.blocks.0.pre_ln.bias"}
    assert names <= set(units[EMBEDDING].parameters)
    assert "rwkv.blocks.0.ln1.weight" in units["block00.sequence_mixer"].parameters
    assert "rwkv.blocks.0.ln2.weight" in units["block00.channel_mixer"].parameters


def test_more_than_a_hundred_blocks_stay_in_order_of_depth():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.config = type("Config", (), {"model_type": "gpt2"})
            self.transformer = nn.Module()
            self.transformer.h = nn.ModuleList(nn.ModuleDict({"mlp": nn.Linear(1, 1)}) for _ in range(101))

    blocks = [unit.block for unit in ranked(sublayers(Model()))]
    assert blocks == list(range(101))


def test_an_architecture_without_a_layout_is_divided_by_its_structure():
    model = tiny_model("gpt_neo")
    known = sublayers(model)
    model.config.model_type = "unheard_of"
    model.transformer.others = nn.ModuleList(nn.Linear(1, 1) for _ in range(3))
    found = sublayers(model)
    assert [unit.name for unit in found] == [unit.name for unit in known]
    assert all(
        set(a.parameters) == set(b.parameters) for a, b in zip(ranked(found), ranked(known), strict=True)
    )
    assert {"transformer.others.0.weight", "transformer.wte.weight"} <= set(found[-1].parameters)


def test_a_child_that_fits_nothing_is_refused_with_the_children_found():
    model = tiny_model("gpt_neo")
    model.config.model_type = "unheard_of"
    model.transformer.h[0].oracle = nn.Linear(16, 16)
    with pytest.raises(
        TglError, match=r"transformer\.h\.0: 'oracle' is neither .*attn: GPTNeoAttention.*oracle: Linear"
    ):
        sublayers(model)


@pytest.mark.parametrize("name", [blocks, final_norm])
def test_adapters_between_blocks_want_a_known_layout_and_name_the_nearest(name):
    model = tiny_model("llama")
    model.config.model_type = "lama"
    with pytest.raises(TglError, match=r"'lama'.*did you mean 'llama'\?"):
        name(model)


def test_a_model_without_a_configuration_is_refused_by_its_class():
    with pytest.raises(TglError, match="Linear: found no list of blocks; the lists are none"):
        sublayers(nn.Linear(2, 2))


def test_a_block_with_a_child_of_no_sublayer_is_refused():
    model = tiny_model("gpt2")
    model.transformer.h[1].adapter = nn.Linear(16, 16)
    with pytest.raises(
        TglError,
        match=r"h\.1\.adapter' is not a known child of a block, expected one of ln_1, attn, ln_2, mlp",
    ):
        sublayers(model)


def test_a_model_without_blocks_is_refused():
    model = tiny_model("gpt2")
    model.transformer.h = nn.ModuleList()
    with pytest.raises(TglError, match=r"'gpt2': found no parameter in its blocks"):
        sublayers(model)
