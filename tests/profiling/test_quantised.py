"""Models with quantised weights, by a stand-in for bitsandbytes and, where it is installed, by itself."""

import importlib.util

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, OlmoConfig, OlmoForCausalLM

from tests.profiling.profiled_objects import profiled
from tests.support.model_fixtures import BLOCK, VOCABULARY, sharp_model, some_examples
from tgl.core.errors import TglError
from tgl.models.quantised import has_quantised, is_quantised, num_parameters
from tgl.models.sublayers import sublayers
from tgl.profiling.coverage import cover
from tgl.profiling.norms import check_norms, gradient_norms

SCALE = 1 / 16


class Linear4bit(nn.Module):
    """A linear map with two 4-bit numbers in each byte, as in bitsandbytes."""

    __module__ = "bitsandbytes.nn.modules"

    def __init__(self, linear):
        super().__init__()
        self.out_features, self.in_features = linear.weight.shape
        levels = (linear.weight.detach() / SCALE).round().clamp(-8, 7).to(torch.int8) + 8
        pairs = levels.flatten().view(-1, 2)
        self.weight = nn.Parameter(
            (pairs[:, 0] * 16 + pairs[:, 1]).to(torch.uint8)[:, None], requires_grad=False
        )
        self.bias = linear.bias

    def dequantised(self):
        pairs = torch.stack([self.weight[:, 0] // 16, self.weight[:, 0] % 16], dim=1)
        return (pairs.flatten().view(self.out_features, self.in_features).float() - 8) * SCALE

    def forward(self, inputs):
        return functional.linear(inputs, self.dequantised(), self.bias)


def pair_of_models(kind="llama"):
    """Return a model with quantised weights and one with the same numbers in floating point."""
    model, plain = sharp_model(kind), sharp_model(kind)
    for path, module in list(plain.named_modules()):
        if isinstance(module, nn.Linear) and ".layers." in path:
            quantised = Linear4bit(module)
            parent, _, name = path.rpartition(".")
            setattr(model.get_submodule(parent), name, quantised)
            module.weight.data = quantised.dequantised()
    return model, plain


def quantised_model(bits, folder):
    """Return a small model that bitsandbytes has quantised; its checkpoint in floating point is in the folder."""
    from transformers import BitsAndBytesConfig

    torch.manual_seed(0)
    shape = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
    LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY, max_position_embeddings=BLOCK, bos_token_id=0, eos_token_id=0, **shape
        )
    ).save_pretrained(folder)
    config = BitsAndBytesConfig(
        load_in_4bit=bits == 4, load_in_8bit=bits == 8, bnb_4bit_compute_dtype=torch.float32
    )
    return AutoModelForCausalLM.from_pretrained(folder, quantization_config=config, dtype=torch.float32)


def test_norms_are_those_of_the_dequantised_weights():
    model, plain = pair_of_models()
    assert has_quantised(model)
    assert not has_quantised(plain)
    found, expected = (
        gradient_norms(each, sublayers(each), some_examples(5), batch_tokens=64) for each in (model, plain)
    )
    np.testing.assert_allclose(found.each, expected.each, rtol=1e-6)
    np.testing.assert_allclose(found.of_mean, expected.of_mean, rtol=1e-5)
    assert [unit.name for unit in sublayers(model)] == [unit.name for unit in sublayers(plain)]


def test_parameters_are_counted_dequantised():
    model, plain = pair_of_models()
    assert sum(p.numel() for p in model.parameters()) < sum(p.numel() for p in plain.parameters())
    assert num_parameters(model) == num_parameters(plain) == sum(p.numel() for p in plain.parameters())
    for one, other in zip(sublayers(model), sublayers(plain), strict=True):
        assert one.num_parameters == other.num_parameters
    counted = cover(model, sublayers(model)).num_scalars
    assert counted == cover(plain, sublayers(plain)).num_scalars


def test_the_comparison_with_autograd_finds_a_wrong_norm(monkeypatch):
    model, _ = pair_of_models()
    units = sublayers(model)
    assert check_norms(model, units, some_examples(2), coverage=cover(model, units)) < 1e-4
    monkeypatch.setattr(
        "tgl.profiling.squares.linear_squares", lambda seen, gradients: gradients.double().sum((1, 2))
    )
    with pytest.raises(TglError, match="by hooks and"):
        check_norms(model, units, some_examples(2), coverage=cover(model, units))


def test_a_profile_says_that_weights_are_quantised_and_has_no_twin(capsys):
    model, plain = pair_of_models()
    found, expected = profiled(model, twin=True), profiled(plain, twin=True)
    assert found.about["quantised"] is True
    assert found.about["num_parameters"] == expected.about["num_parameters"]
    assert set(found.profile["weights"]) == {"trained"} != set(expected.profile["weights"])
    trained = expected.norms[expected.norms["weights"] == "trained"].query("example >= 0")
    assert (found.norms["example"] >= 0).all()  # no norms of mean gradients
    np.testing.assert_allclose(found.norms["norm"], trained["norm"], rtol=1e-5)
    for parameter in model.parameters():
        assert parameter.requires_grad == parameter.is_floating_point()


def test_weights_that_another_library_quantised_are_refused():
    model, _ = pair_of_models()
    type(model.model.layers[0].mlp.up_proj).__module__ = "hqq.core.quantize"
    try:
        with pytest.raises(TglError, match=r"expected floating-point.*bitsandbytes"):
            profiled(model)
    finally:
        Linear4bit.__module__ = "bitsandbytes.nn.modules"


def test_a_quantised_map_that_text_does_not_use_has_no_norm_and_stops_the_profile_once_it_is_used():
    model, _ = pair_of_models()
    model.tower = Linear4bit(nn.Linear(16, 16, bias=False))
    units = sublayers(model)
    coverage = cover(model, units)
    assert coverage.num_scalars["unused"] == 256
    found = gradient_norms(model, units, some_examples(3), coverage=coverage)
    assert np.isfinite(found.of_mean).all()
    original = model.model.norm.forward
    model.model.norm.forward = lambda hidden: original(hidden + model.tower(hidden))
    with pytest.raises(TglError, match="did not use is used by"):
        gradient_norms(model, units, some_examples(3), coverage=coverage)


def test_a_quantised_map_that_sees_a_part_of_the_tokens_is_refused():
    model, _ = pair_of_models()
    mlp = model.model.layers[0].mlp
    original = mlp.forward
    mlp.forward = lambda hidden: original(hidden.flatten(0, 1)[:5]).sum() + hidden
    with pytest.raises(TglError, match="a quantised weight of a Linear4bit is used in a way"):
        cover(model, sublayers(model))


def test_blocks_of_quantised_weights_alone_are_compared_with_autograd():
    config = OlmoConfig(
        vocab_size=VOCABULARY, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=BLOCK, pad_token_id=0, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    torch.manual_seed(0)
    model = OlmoForCausalLM(config)
    for path, module in list(model.named_modules()):
        if isinstance(module, nn.Linear) and ".layers." in path:
            parent, _, name = path.rpartition(".")
            setattr(model.get_submodule(parent), name, Linear4bit(module))
    units = sublayers(model)
    assert check_norms(model, units, some_examples(2), coverage=cover(model, units)) < 1e-3


@pytest.mark.skipif(
    importlib.util.find_spec("bitsandbytes") is None,
    reason="bitsandbytes is not installed: pip install bitsandbytes",
)
@pytest.mark.parametrize("bits", [4, 8])
def test_a_model_of_bitsandbytes_is_profiled(bits, tmp_path):
    from bitsandbytes.functional import dequantize_4bit

    model = quantised_model(bits, tmp_path)
    quantised = {path: module for path, module in model.named_modules() if is_quantised(module)}
    assert quantised
    with torch.no_grad():
        model.eval()(
            input_ids=torch.zeros(1, 4, dtype=torch.long)
        )  # after which bitsandbytes may pack the weights
    found = profiled(model)
    plain = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    for path, module in quantised.items():
        if bits == 4:
            values = dequantize_4bit(module.weight.data, module.weight.quant_state)
        else:
            values = module.state.CB.float() * module.state.SCB[:, None] / 127
        plain.get_submodule(path).weight.data = values.float()
    expected = profiled(plain).norms.query("example >= 0")
    # Eight bits also quantise the activations.
    np.testing.assert_allclose(found.norms["norm"], expected["norm"], rtol=1e-4 if bits == 4 else 0.1)


@pytest.mark.skipif(
    importlib.util.find_spec("bitsandbytes") is None,
    reason="bitsandbytes is not installed: pip install bitsandbytes",
)
def test_the_adapters_of_a_quantised_model_are_profiled(tmp_path):
    from peft import LoraConfig, get_peft_model

    model = quantised_model(4, tmp_path)
    torch.manual_seed(1)
    model = get_peft_model(model, LoraConfig(target_modules=["q_proj", "up_proj"], init_lora_weights=False))
    found = profiled(model, adapters=True)
    assert found.about["quantised"] is True
    assert set(found.norms["sublayer"]) == {
        f"block0{n}.{part}" for n in (0, 1) for part in ("attention", "mlp")
    }
    assert (found.norms["norm"] > 0).all()
