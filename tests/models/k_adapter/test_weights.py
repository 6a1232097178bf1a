import copy

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from tests.models.k_adapter.models import BASES, IDS, adapted, awake, logits_of, of_adapters
from tests.support.model_fixtures import (
    ARCHITECTURES,
    BLOCK,
    RANKED,
    VOCABULARY,
    parameters_of,
    sharp_model,
    tiny_model,
    tiny_tokenizer,
)
from tgl.evaluate.score import max_length
from tgl.evaluate.spans import SpanTokens
from tgl.models.checkpoint import load_model, random_twin, save_model, weights_hash
from tgl.models.k_adapter import KAdapterForCausalLM
from tgl.models.k_adapter_config import KAdapterModelConfig
from tgl.models.sublayers import ranked, sublayers
from tgl.profiling.coverage import cover
from tgl.profiling.norms import check_norms
from tgl.train.engines.interface import language_model_loss


def test_after_one_step_a_gradient_reaches_every_adapter_parameter_and_none_of_the_base():
    model = adapted(sharp_model("gpt2"))
    optimiser = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    language_model_loss(model, IDS).backward()
    assert all(p.grad is None for p in model.base.parameters())
    moved = {name for name, p in of_adapters(model).items() if p.grad is not None and p.grad.any()}
    assert moved == {"fusion.weight", "fusion.bias"}  # it is zero, so nothing passes through it yet
    optimiser.step()
    optimiser.zero_grad()
    language_model_loss(model, IDS).backward()
    assert all(p.grad.abs().sum() > 0 for p in of_adapters(model).values())
    assert all(p.grad is None for p in model.base.parameters())


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_training_the_adapters_lowers_the_loss_and_leaves_the_base_bit_identical(kind):
    model = adapted(sharp_model(kind))
    before = weights_hash(model.base)
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.005)
    losses = []
    for _ in range(30):
        loss = language_model_loss(model, IDS)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 1  # the frozen head of 16 dimensions sets a bound
    assert weights_hash(model.base) == before


@pytest.mark.parametrize("kind", ["gpt2", "gpt_neo", "llama", "qwen2", "mamba", "tgl_gru"])
def test_a_saved_model_is_loaded_by_the_auto_classes_as_it_was(kind, tmp_path):
    model = awake(kind, layers=1, width=6, heads=3, blocks=[1])
    save_model(model, tiny_tokenizer(), tmp_path)
    assert [file.name for file in tmp_path.glob("*.safetensors")] == ["model.safetensors"]
    config = AutoConfig.from_pretrained(tmp_path)
    assert isinstance(config, KAdapterModelConfig)
    assert (config.blocks, config.layers, config.width, config.heads) == ([1], 1, 6, 3)
    for loaded in (load_model(tmp_path), AutoModelForCausalLM.from_pretrained(tmp_path)):
        assert isinstance(loaded, KAdapterForCausalLM)
        assert not loaded.training
        assert type(loaded.base) is type(model.base)
        # To rounding: on some processors it depends on where in memory a tensor lies.
        torch.testing.assert_close(logits_of(loaded), logits_of(model), rtol=1e-4, atol=1e-4)
        assert weights_hash(loaded) == weights_hash(model)
        found, expected = dict(loaded.named_parameters()), dict(model.named_parameters())
        assert list(found) == list(expected)


@pytest.mark.parametrize(("kind", "tied"), [("gpt2", True), ("qwen2", True), ("llama", False)])
def test_a_tied_head_stays_tied_and_one_that_is_not_does_not(kind, tied, tmp_path):
    model = awake(kind)
    save_model(model, tiny_tokenizer(), tmp_path)
    for found in (model, load_model(tmp_path), random_twin(model.config, 5)):
        assert (found.get_output_embeddings().weight is found.get_input_embeddings().weight) == tied
        assert ("base.lm_head.weight" in dict(found.named_parameters())) != tied


def test_what_callers_ask_the_configuration_for_is_the_base_s(tmp_path):
    model = adapted(tiny_model("gpt_neo"))
    save_model(model, tiny_tokenizer(), tmp_path)
    for config in (model.config, AutoConfig.from_pretrained(tmp_path)):
        assert (config.vocab_size, config.hidden_size, config.num_hidden_layers) == (VOCABULARY, 16, 2)
        assert (config.bos_token_id, config.eos_token_id) == (0, 0)
        assert config.base["model_type"] == "gpt_neo"
        assert config.base_config().attention_layers == ["global", "local"]
    assert max_length(model) == max_length(load_model(tmp_path)) == BLOCK
    assert max_length(adapted(tiny_model("mamba"))) == max_length(tiny_model("mamba"))


def test_the_base_s_own_weights_are_used_and_adapters_alone_are_drawn_by_the_seed():
    base = sharp_model("gpt2")
    base.transformer.h[1].mlp.c_fc = torch.nn.Linear(16, 64)  # bears no mark of having been drawn
    objects, before = dict(base.named_parameters()), parameters_of(base)
    random = torch.random.get_rng_state()
    one, same, other = (adapted(base, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), random)
    assert all(parameter is objects[name] for name, parameter in one.base.named_parameters())
    assert all(torch.equal(parameter, before[name]) for name, parameter in one.base.named_parameters())
    assert weights_hash(one) == weights_hash(same) != weights_hash(other)
    for model in (one, other):
        assert not model.fusion.weight.any()
        assert not model.fusion.bias.any()
    assert not torch.equal(*(adapter.down.weight for adapter in one.adapters))
    for module in one.adapters.modules():
        if isinstance(module, torch.nn.Linear):
            assert module.weight.std().item() == pytest.approx(module.in_features**-0.5, rel=0.2)
            assert not module.bias.any()
    assert not one.training


def test_gradients_are_for_adapters_alone_also_after_loading_once_said_so(tmp_path):
    model = adapted(tiny_model())
    assert not any(p.requires_grad for p in model.base.parameters())
    assert all(p.requires_grad for p in of_adapters(model).values())
    save_model(model, tiny_tokenizer(), tmp_path)
    loaded = load_model(tmp_path)
    loaded.adapters.requires_grad_(False)
    loaded.train_adapters_alone()
    for name, parameter in loaded.named_parameters():
        assert parameter.requires_grad == (not name.startswith("base."))


def test_a_model_in_half_precision_gets_adapters_in_half_precision(tmp_path):
    half = AutoModelForCausalLM.from_config(copy.deepcopy(ARCHITECTURES["gpt2"]), dtype=torch.bfloat16)
    model = adapted(half)
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}
    save_model(model, tiny_tokenizer(), tmp_path)
    for dtype in (torch.bfloat16, torch.float32):
        loaded = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=dtype)
        assert {p.dtype for p in loaded.parameters()} == {dtype}
    assert {p.dtype for p in random_twin(model.config, 5).parameters()} == {torch.float32}


@pytest.mark.parametrize("kind", BASES)
def test_the_units_are_the_base_s_and_one_of_all_adapters_before_embedding(kind):
    base = tiny_model(kind)
    before = sublayers(base)
    model = adapted(base)
    *units, adapter, embedding = sublayers(model)
    assert [*units, embedding] == before
    assert (adapter.name, adapter.block, adapter.part, adapter.output) == ("adapter", -1, "adapter", None)
    assert set(adapter.parameters) == set(of_adapters(model))
    everything = [id(p) for unit in sublayers(model) for p in unit.parameters.values()]
    assert sorted(everything) == sorted(id(p) for p in model.parameters())
    assert [unit.name for unit in ranked(sublayers(model))] == [unit.name for unit in ranked(before)]
    if kind == "gpt2":
        assert [unit.name for unit in sublayers(model)] == [*RANKED, "adapter", "embedding"]


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_gradient_norms_of_a_model_with_adapters_are_those_of_autograd(kind):
    model = awake(kind)
    units = sublayers(model)
    coverage = cover(model, units)
    assert not coverage.autograd
    check_norms(model, units, [SpanTokens(IDS[0].tolist(), 3)], coverage=coverage)
