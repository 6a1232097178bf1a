"""Model objects in whatever state their owner left them: the same norms, and the object handed back as it was."""

import copy
import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from accelerate import dispatch_model
from torch import nn
from transformers import AutoModelForCausalLM

from tests.profiling.profiled_objects import SETTINGS, assert_left, assert_same, left_as, profiled
from tests.support.model_fixtures import sharp_model, some_examples, tiny_model, tiny_tokenizer
from tests.support.twins import twin
from tgl.core.errors import TglError
from tgl.models.checkpoint import load_model, save_model
from tgl.models.model_config import check_causal
from tgl.models.sublayers import has_layout, sublayers
from tgl.profiling.coverage import cover
from tgl.profiling.norms import check_norms, gradient_norms


def frozen_in_part(model):
    for number, parameter in enumerate(model.parameters()):
        parameter.requires_grad_(number % 3 == 0)


def with_gradients(model):
    if model.config.model_type == "rwkv":  # which has no backward pass in evaluation mode
        model.train()
    logits = model(input_ids=torch.arange(12)[None]).logits
    model.kept_graph = [logits.sum()]  # in a list: alive, as a loss in somebody's notebook is
    model.kept_graph[0].backward(retain_graph=True)


STATES = {
    "training mode": lambda model: model.train(),
    "gradient checkpointing": lambda model: model.gradient_checkpointing_enable(),
    "reentrant checkpointing, training": lambda model: (
        model.gradient_checkpointing_enable({"use_reentrant": True}),
        model.train(),
    ),
    "input_require_grads": lambda model: model.enable_input_require_grads(),
    "everything frozen": lambda model: model.requires_grad_(False),
    "some frozen": frozen_in_part,
    "frozen, checkpointing, input_require_grads, training": lambda model: (
        model.requires_grad_(False),
        model.gradient_checkpointing_enable(),
        model.enable_input_require_grads(),
        model.train(),
    ),
    "a graph and gradients alive": with_gradients,
    "compiled in place": lambda model: model.compile(),
    "evaluated before": lambda model: model.eval()(input_ids=torch.arange(12)[None]),
    "a cache in the configuration": lambda model: setattr(model.config, "use_cache", False),
}


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("kind", ["gpt2", "gemma", "rwkv"])
def test_the_state_of_an_object_changes_no_norm_and_is_handed_back(kind, state):
    model = tiny_model(kind, seed=4)
    units, examples = sublayers(model), some_examples(3)
    expected = gradient_norms(model, units, examples)
    STATES[state](model)
    torch.rand(1)
    before = left_as(model)
    found = gradient_norms(model, units, examples)
    deviation = check_norms(model, units, examples[:1], coverage=cover(model, units))
    np.testing.assert_array_equal(found.each, expected.each)
    np.testing.assert_array_equal(found.of_mean, expected.of_mean)
    assert deviation < 1e-4
    assert_left(before, left_as(model))


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("state", ["gradient checkpointing", "input_require_grads", "some frozen"])
def test_a_profile_of_a_trainer_s_object_is_that_of_the_model_as_made(state):
    expected = profiled(tiny_model(seed=4, spread=3))
    model = tiny_model(seed=4, spread=3)
    STATES[state](model)
    before = left_as(model)
    found = profiled(model)
    assert_same(found, expected)
    assert found.about == expected.about
    assert_left(before, left_as(model))


def surrounded(kind):
    if kind == "no_grad":
        return torch.no_grad()
    return torch.inference_mode() if kind == "inference_mode" else torch.autocast("cpu", torch.bfloat16)


@pytest.mark.parametrize("kind", ["no_grad", "inference_mode", "autocast"])
def test_a_profile_does_not_depend_on_the_context_it_is_made_in(kind):
    model = tiny_model(seed=4, spread=3).to(torch.bfloat16)
    expected = profiled(model, twin=True)
    with surrounded(kind):
        found = profiled(model, twin=True)
    assert_same(found, expected)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kind", ["gpt2", "llama", "gemma", "mamba"])
def test_an_object_in_half_precision_is_measured_as_the_same_weights_in_fp32(kind, dtype):
    model = sharp_model(kind, seed=1).to(dtype)
    twin = kind == "gpt2"
    expected = profiled(copy.deepcopy(model).float(), twin=twin)
    model.train()
    before = left_as(model)
    found = profiled(model, twin=twin)
    assert_same(found, expected)
    name = str(dtype).removeprefix("torch.")
    assert (found.about["dtype"], found.about["dtypes of the object"]) == ("float32", [name])
    assert found.about["model_sha256"] == expected.about["model_sha256"]
    assert_left(before, left_as(model))


def test_a_checkpoint_in_bf16_gives_the_same_profile_as_object_and_as_folder(tmp_path):
    save_model(tiny_model(seed=4, spread=3).to(torch.bfloat16), tiny_tokenizer(), tmp_path)
    found = profiled(AutoModelForCausalLM.from_pretrained(tmp_path))
    assert found.about["dtypes of the object"] == ["bfloat16"]
    assert_same(found, profiled(tmp_path))
    assert found.about["model_sha256"] == profiled(load_model(tmp_path)).about["model_sha256"]


def test_an_object_of_several_dtypes_is_measured_in_fp32():
    model = tiny_model("llama", seed=2)
    for layer in model.model.layers:
        layer.mlp.to(torch.bfloat16)
    expected = profiled(copy.deepcopy(model).float())
    found = profiled(model)
    assert_same(found, expected)
    assert found.about["dtypes of the object"] == ["bfloat16", "float32"]


def test_an_object_in_double_precision_stays_so():
    found = profiled(tiny_model(seed=4).double())
    assert found.about["dtype"] == "float64"
    expected = profiled(tiny_model(seed=4)).profile["relative_norm"]
    assert found.profile["relative_norm"].to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-4)


@pytest.mark.parametrize("seed", range(6))
def test_the_check_against_autograd_follows_the_dtype(seed):
    model = tiny_model("gpt2", seed=seed, spread=3).to(torch.bfloat16)
    units, coverage = sublayers(model), cover(model, sublayers(model))
    check_norms(model, units, some_examples(2, seed), coverage=coverage)


def test_the_check_in_half_precision_still_refuses_what_the_hooks_do_not_see():
    model = tiny_model("llama", seed=3).to(torch.bfloat16)
    units, coverage = sublayers(model), cover(model, sublayers(model))
    head = model.model.layers[0].mlp.down_proj
    head.register_forward_hook(lambda module, inputs, output: output + inputs[0] @ module.weight.T)
    with pytest.raises(TglError, match=r"norm of 'block00.mlp' is .* by hooks"):
        check_norms(model, units, some_examples(2), coverage=coverage)


@pytest.mark.parametrize("wrap", [torch.compile, nn.DataParallel], ids=["compiled", "data parallel"])
def test_a_wrapped_object_is_measured_inside(wrap):
    expected = profiled(tiny_model(seed=4, spread=3))
    wrapped = wrap(tiny_model(seed=4, spread=3))
    found = profiled(wrapped)
    assert_same(found, expected)
    assert "dtypes of the object" not in found.about


def test_an_object_in_distributed_data_parallel_is_measured_inside(tmp_path):
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        wrapped = nn.parallel.DistributedDataParallel(tiny_model(seed=4, spread=3))
        assert_same(profiled(wrapped), profiled(tiny_model(seed=4, spread=3)))
    finally:
        torch.distributed.destroy_process_group()


def test_weights_in_bf16_give_nearly_the_norms_of_fp32_from_object_and_folder(tmp_path):
    model = tiny_model("llama", seed=4, spread=3)
    save_model(model, tiny_tokenizer(), tmp_path)
    settings = SETTINGS.model_copy(update={"dtype": "bf16"})
    expected, found = profiled(model), profiled(model, settings=settings)
    assert (expected.about["dtype"], found.about["dtype"]) == ("float32", "bfloat16")
    assert next(model.parameters()).dtype == torch.float32  # The object does not change.
    exact, rough = (table.norms["norm"].to_numpy() for table in (expected, found))
    assert rough == pytest.approx(exact, rel=0.1)
    assert 1e-4 < np.median(np.abs(rough / exact - 1)) < 0.02
    assert_same(profiled(tmp_path, settings=settings, tokenizer=None), found)


@pytest.mark.parametrize("kind", ["mixtral", "mamba", "gpt_oss"])
def test_experts_and_copies_are_measured_in_bf16(kind):
    model = twin(kind).to(torch.bfloat16)
    units = sublayers(model)
    examples = some_examples(2, longest=12)
    examples = [replace(each, ids=[3 + token % 60 for token in each.ids]) for each in examples]
    rough = gradient_norms(model, units, examples)
    exact = gradient_norms(model.float(), units, examples)
    assert rough.each == pytest.approx(exact.each, rel=0.2)
    assert rough.of_mean == pytest.approx(exact.of_mean, rel=0.2)


def over_devices(model, devices):
    """Return the model with its blocks on the given devices in turn, as accelerate places them."""
    parts = [
        "model.embed_tokens",
        "model.rotary_emb",
        "model.layers.0",
        "model.layers.1",
        "model.norm",
        "lm_head",
    ]
    return dispatch_model(model, dict(zip(parts, itertools.cycle(devices), strict=False)), force_hooks=True)


def test_a_model_that_accelerate_has_placed_has_the_same_norms():
    expected = profiled(sharp_model("llama"))
    assert_same(profiled(over_devices(sharp_model("llama"), ["cpu"])), expected)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_a_model_over_two_gpus_has_the_same_norms_and_no_twin():
    expected = profiled(sharp_model("llama"))
    found = profiled(over_devices(sharp_model("llama"), [0, 1]), twin=True)
    assert found.about["devices"] == ["cuda:0", "cuda:1"]
    assert set(found.profile["weights"]) == {"trained"}
    np.testing.assert_allclose(found.norms["norm"], expected.norms["norm"], rtol=1e-4)


def test_a_model_of_an_unknown_layout_with_dropout_on_is_recognised_as_causal():
    model = twin("biogpt").train()
    assert model.config.attention_probs_dropout_prob > 0
    assert not has_layout(model)
    check_causal(model, "biogpt")
    assert model.training
