"""Blocks and parts that are found from a model's modules, without a layout."""

import pytest
import torch
from torch import nn
from transformers import XLMConfig, XLMWithLMHeadModel

from tests.support.twins import twin
from tgl.core.errors import TglError
from tgl.models.structure import block_lists, parts_of
from tgl.models.sublayers import sublayers

# The parts of each kind of block of a type, in order of their first block.
PARTS = {
    "gpt2": [{"attention": ["attn", "ln_1"], "mlp": ["mlp", "ln_2"]}],
    "llama": [{"attention": ["self_attn", "input_layernorm"], "mlp": ["mlp", "post_attention_layernorm"]}],
    "cohere": [{"attention": ["self_attn", "input_layernorm"], "mlp": ["mlp"]}],
    "olmo2": [{"attention": ["self_attn", "post_attention_layernorm"], "mlp": ["mlp", "post_feedforward_layernorm"]}],
    "gemma2": [
        {
            "attention": ["self_attn", "input_layernorm", "post_attention_layernorm"],
            "mlp": ["mlp", "pre_feedforward_layernorm", "post_feedforward_layernorm"],
        }
    ],
    "glm4": [
        {
            "attention": ["self_attn", "input_layernorm", "post_self_attn_layernorm"],
            "mlp": ["mlp", "post_attention_layernorm", "post_mlp_layernorm"],
        }
    ],
    "nemotron_h": [{"mixer": ["mixer", "norm"]}, {"mlp": ["mixer", "norm"]}, {"attention": ["mixer", "norm"]}],
    "zamba2": [
        {"mixer": ["mamba", "input_layernorm"]},
        {
            "sequence_mixer": ["mamba_decoder", "linear"],
            "attention": ["shared_transformer.self_attn", "shared_transformer.input_layernorm"],
            "mlp": ["shared_transformer.feed_forward", "shared_transformer.pre_ff_layernorm"],
        },
    ],
    "bart": [
        {
            "attention": ["self_attn", "self_attn_layer_norm"],
            "mlp": ["fc1", "fc2", "final_layer_norm"],
            "outside": ["encoder_attn", "encoder_attn_layer_norm"],
        }
    ],
    "bert": [{"attention": ["attention"], "mlp": ["intermediate", "output"]}],
}  # fmt: skip


def blocks_of(model):
    return [
        (f"{path}.{n}", block)
        for path in block_lists(model)
        for n, block in enumerate(model.get_submodule(path))
    ]


@pytest.mark.parametrize("kind", PARTS)
def test_the_parts_of_a_type_are_these(kind):
    found = []
    for path, block in blocks_of(twin(kind)):
        parts = parts_of(block, path).children
        if parts not in found:
            found.append(parts)
    assert found == PARTS[kind]
    assert [list(parts) for parts in found] == [list(parts) for parts in PARTS[kind]]


def pointers(value):
    return {
        leaf.data_ptr() for leaf in torch.utils._pytree.tree_leaves(value) if isinstance(leaf, torch.Tensor)
    }


@pytest.mark.parametrize(
    "kind",
    [
        "afmoe", "cohere2", "exaone4", "gemma2", "gemma3_text", "glm4", "gpt2", "hyperclovax", "jamba", "lfm2", "lfm3",
        "llama", "mixtral", "mpt", "nemotron_h", "olmo2", "olmo_hybrid", "phi", "qwen3_5", "vaultgemma", "xlstm",
    ],
)  # fmt: skip
def test_a_norm_feeds_its_part_or_takes_its_output(kind):
    model = twin(kind)
    seen, handles = {}, []

    def hook(module, args, kwargs, output):
        seen[module] = (
            pointers((args, kwargs)),
            pointers(output),
            (args, kwargs, output),
        )  # Kept, so no reuse.

    for module in model.modules():
        handles.append(module.register_forward_hook(hook, with_kwargs=True))
    with torch.no_grad():
        model(input_ids=torch.arange(3, 15)[None], use_cache=False)
    num_norms = 0
    for path, block in blocks_of(model):
        for children in parts_of(block, path).children.values():
            modules = [block.get_submodule(name) for name in children]
            norms = [m for m in modules if m in seen and type(m).__name__.endswith("Norm")]
            mixers = [inner for m in modules if m not in norms for inner in m.modules() if inner in seen]
            for norm in norms:
                num_norms += 1
                feeds = any(seen[norm][1] & seen[mixer][0] for mixer in mixers)
                takes = any(seen[norm][0] & seen[mixer][1] for mixer in mixers)
                assert feeds or takes, (path, children, type(norm).__name__)
    assert num_norms >= len(blocks_of(model))


def test_the_blocks_of_the_text_are_found_among_towers():
    assert block_lists(twin("gemma3")) == ["model.language_model.layers"]
    assert block_lists(twin("phi4_multimodal")) == ["model.layers"]
    assert block_lists(twin("hrm_text")) == ["model.L_module.layers", "model.H_module.layers"]
    assert block_lists(twin("ctrl")) == [
        "transformer.h"
    ]  # Marked by nobody, but as long as the model is deep.


def test_a_part_that_several_modules_write_has_no_output_module():
    units = {unit.name: unit for unit in sublayers(twin("granitemoehybrid"))}
    assert units["block00.mlp"].output is None
    assert units["block00.sequence_mixer"].output is not None
    assert type(sublayers(twin("bart"))[1].output) is nn.Linear  # fc2, the last of a chain


def test_a_model_without_a_list_of_blocks_is_refused_with_the_lists_found():
    with pytest.raises(TglError, match=r"Sequential: found no list of blocks; the lists are \['0\[2\]'\]"):
        block_lists(nn.Sequential(nn.ModuleList([nn.Linear(1, 1), nn.Linear(1, 1)])))


def test_lists_side_by_side_instead_of_blocks_are_refused():
    config = XLMConfig(
        vocab_size=60, emb_dim=16, n_layers=2, n_heads=2, causal=True, max_position_embeddings=20
    )
    with pytest.raises(TglError, match=r"transformer\.attentions\.0: 'q_lin' is neither"):
        sublayers(XLMWithLMHeadModel(config))
