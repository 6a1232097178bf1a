"""Attention heads as units: which rows and columns are those of a head shows in the gradients of a cut-off head."""

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, GPTBigCodeConfig

from tests.support.twins import twin
from tgl.core.errors import TglError
from tgl.evaluate.spans import SpanTokens
from tgl.models.heads import _dim, head_units
from tgl.models.sublayers import sublayers
from tgl.profiling.coverage import cover
from tgl.profiling.norms import check_norms, gradient_norms

# One after the other in one matrix; separate matrices; shared keys and values; those of a head side by side.
KINDS = (
    "gpt2",
    "gpt_neo",
    "opt",
    "llama",
    "qwen3",
    "gemma3_text",
    "mistral",
    "phi",
    "gpt_neox",
    "bloom",
    "mixtral",
)
EXAMPLES = [SpanTokens(list(range(3, 3 + length)), length - 4) for length in (9, 12, 7)]


def heads_of(model):
    return list(head_units(model, sublayers(model)))


@pytest.mark.parametrize("kind", KINDS)
def test_every_number_is_in_one_unit(kind):
    model = twin(kind)
    seen = {parameter: torch.zeros_like(parameter) for parameter in model.parameters()}
    units = heads_of(model)
    for unit in units:
        for parameter in unit.parameters.values():
            seen[parameter] += 1
        for part in unit.slices:
            seen[part.parameter].index_add_(
                part.dim, part.index, torch.ones_like(part.of(seen[part.parameter]))
            )
    assert all(bool((count == 1).all()) for count in seen.values())
    assert sum(unit.num_parameters for unit in units) == sum(p.numel() for p in model.parameters())
    assert len({unit.name for unit in units}) == len(units)
    assert any(unit.name == "block00.attention.head01" for unit in units)


@pytest.mark.parametrize("kind", KINDS)
def test_a_head_without_a_way_to_the_output_has_no_gradient_in_its_other_parts(kind):
    model = twin(kind)
    head = next(unit for unit in heads_of(model) if unit.name == "block00.attention.head01")
    (out,) = [part for part in head.slices if not part.outputs]
    with torch.no_grad():
        out.parameter.index_fill_(out.dim, out.index, 0)
    ids = torch.tensor([EXAMPLES[1].ids])
    model(ids, use_cache=False).logits.square().sum().backward()
    for unit in heads_of(model):
        if not unit.name.startswith("block00.attention.head"):
            continue
        for part in unit.slices:
            if part.outputs:
                # Keys' biases and those of GPT-NeoX's first rows may have none anyway; the weights always have.
                gone = float(part.of(part.parameter.grad).abs().max()) < 1e-12
                if unit.name == head.name:
                    assert gone
                elif part.parameter.dim() == 2:
                    assert not gone


@pytest.mark.parametrize("kind", KINDS)
def test_norms_of_heads_are_those_of_autograd(kind):
    model = twin(kind)
    units, whole = heads_of(model), sublayers(model)
    coverage = cover(model, units)
    assert check_norms(model, units, EXAMPLES[:2], coverage=coverage) < 1e-6
    found = gradient_norms(model, units, EXAMPLES, coverage=coverage)
    expected = gradient_norms(model, whole, EXAMPLES)
    for number, unit in enumerate(whole):
        members = [
            n for n, own in enumerate(units) if own.name == unit.name or own.name.startswith(f"{unit.name}.")
        ]
        for one, other in ((found.each, expected.each), (found.of_mean[None], expected.of_mean[None])):
            total = np.sqrt((one[:, members] ** 2).sum(1))
            np.testing.assert_allclose(total, other[:, number], rtol=1e-6)


def test_shared_keys_and_values_are_units_of_their_own():
    model = twin("llama")
    names = [
        unit.name.rpartition(".")[2]
        for unit in heads_of(model)
        if unit.block == 0 and unit.part == "attention"
    ]
    shared = model.config.num_key_value_heads
    count = model.config.num_attention_heads
    expected = [f"head{n:02d}" for n in range(count)]
    if shared != count:
        expected += [f"keys_values{n:02d}" for n in range(shared)]
    assert names == [*expected, "rest"]


@pytest.mark.parametrize("kind", ["qwen3_next", "mpt", "deepseek_v3"])
def test_heads_that_are_laid_out_in_another_way_are_refused(kind):
    model = twin(kind)
    with pytest.raises(TglError, match=r"profile.unit: .* Use the unit 'module'"):
        heads_of(model)


def test_a_fused_matrix_that_is_not_that_of_gpt_2_is_refused():
    """Each head of this StarCoder has its query, key and value side by side, under the same name and size."""
    config = GPTBigCodeConfig(
        vocab_size=50, n_positions=16, n_embd=16, n_layer=1, n_head=2, multi_query=False
    )
    with pytest.raises(TglError, match=r"the order of its heads in c_attn, c_proj.* is not known"):
        heads_of(AutoModelForCausalLM.from_config(config))


def test_a_weight_has_its_outputs_where_its_class_puts_them():
    model = twin("gpt2")
    block = model.transformer.h[0].attn
    assert block.c_attn.weight.shape[_dim(block.c_attn, outputs=True)] == 3 * model.config.n_embd
    assert torch.nn.Linear(2, 5).weight.shape[_dim(torch.nn.Linear(2, 5), outputs=True)] == 5


def test_heads_that_work_in_pairs_are_refused():
    with pytest.raises(TglError, match=r"block00\.attention.*work in pairs.*unit 'module'"):
        heads_of(twin("diffllama"))
