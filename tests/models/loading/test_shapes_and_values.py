"""Tensors of another shape or number of blocks, and values that are no finite numbers, are refused."""

import pytest
import torch

from tests.models.loading.damage import refusal, shaped
from tests.support.model_fixtures import VOCABULARY
from tgl.models.checkpoint import load_model


def test_another_vocabulary_than_the_configuration_says_is_refused(folder):
    message = refusal(folder(vocab_size=VOCABULARY + 1))
    assert "model.safetensors: '" in message
    assert f"shape [{VOCABULARY}, 16], expected [{VOCABULARY + 1}, 16]" in message


def test_a_transposed_tensor_is_refused(folder):
    message = refusal(folder(tensors=shaped("model.layers.0.mlp.up_proj.weight", (16, 32))))
    assert "'model.layers.0.mlp.up_proj.weight' has shape [16, 32], expected [32, 16]" in message


@pytest.mark.parametrize("kind", ["llama", "gpt2", "opt", "mamba", "tgl_gru"])
def test_a_file_of_two_blocks_under_a_configuration_of_one_is_refused(folder, kind):
    key = {"gpt2": "n_layer"}.get(kind, "num_hidden_layers")
    message = refusal(folder(kind, **{key: 1}))
    assert "has no place for" in message
    assert ".1." in message


def test_a_configuration_of_more_blocks_than_the_file_has_is_refused(folder):
    assert "lacks" in refusal(folder(num_hidden_layers=3))


@pytest.mark.parametrize("blocks", [5_000, 10**9])
def test_absurdly_many_blocks_are_refused_before_a_model_is_built(folder, blocks):
    assert "config.json: " in refusal(folder(num_hidden_layers=blocks))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("vocab_size", 10**12),
        ("hidden_size", -16),
        ("hidden_size", "sixteen"),
        ("num_attention_heads", 0),
        ("intermediate_size", 10**14),
        ("num_hidden_layers", "two"),
        ("num_hidden_layers", None),
        ("num_hidden_layers", -1),
        ("num_attention_heads", 3),
        ("rope_parameters", 7),
        ("hidden_act", "no_such_function"),
    ],
)
def test_absurd_sizes_are_refused(folder, key, value):
    message = refusal(folder(**{key: value}))
    assert "model" in message


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_values_that_are_not_finite_are_refused_by_tensor(folder, value):
    def spoil(found):
        found["model.layers.1.mlp.up_proj.weight"][3, 4] = value
        return found

    message = refusal(folder(tensors=spoil))
    assert (
        "model.safetensors: 'model.layers.1.mlp.up_proj.weight' holds 1 values that are not finite" in message
    )


def test_a_double_that_fp32_does_not_hold_is_refused(folder):
    name = "model.norm.weight"
    assert f"'{name}'" in refusal(
        folder(tensors=lambda found: found | {name: torch.full((16,), 1e300, dtype=torch.float64)})
    )


@pytest.mark.parametrize("dtype", [torch.int8, torch.int64, torch.bool, torch.float8_e4m3fn, torch.uint8])
def test_weights_that_are_no_floating_point_numbers_are_refused_by_tensor(folder, dtype):
    name = "model.layers.0.mlp.up_proj.weight"
    message = refusal(folder(tensors=lambda found: found | {name: torch.ones(32, 16).to(dtype)}))
    assert f"model.safetensors: '{name}' is of type" in message


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_floating_point_numbers_of_any_width_are_loaded_in_fp32(folder, dtype):
    model = load_model(folder(tensors=lambda found: {name: t.to(dtype) for name, t in found.items()}))
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
