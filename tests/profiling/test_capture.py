import pytest
import torch
from torch import nn
from transformers import AutoModel

from tests.support.model_fixtures import ARCHITECTURES, sharp_model, some_examples, tiny_model
from tgl.core.errors import TglError
from tgl.evaluate.spans import SpanTokens
from tgl.models.sublayers import sublayers
from tgl.profiling.capture import hooked
from tgl.profiling.coverage import WAYS, cover
from tgl.profiling.norms import check_norms, gradient_norms

# Modules with parameters that no formula covers: the whole module runs with copies of its parameters.
COPIED = {"mamba": ".mixer.", "rwkv": (".attention.", ".feed_forward.")}


def covered(model):
    return cover(model, sublayers(model))


def by_autograd(model):
    """Return the names of the parameters that no formula covers."""
    return names_of(model, covered(model).autograd)


def names_of(model, parameters):
    wanted = {id(parameter) for parameter in parameters}
    return {name for name, parameter in model.named_parameters() if id(parameter) in wanted}


def by_copies(model):
    """Return the names of the parameters that run with copies."""
    return names_of(model, [p for module in covered(model).copied for p in module.parameters()])


def agrees_with_autograd(model, example=None):
    """Whether the norms of a float64 model equal those of plain autograd to nine digits."""
    units = sublayers(model)
    examples = [example] if example else some_examples(2, seed=1)
    return check_norms(model, units, examples, coverage=cover(model, units)) < 1e-9


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_every_scalar_of_the_model_is_counted_once(kind):
    model = tiny_model(kind)
    found = covered(model).num_scalars
    assert set(found) == set(WAYS)
    assert sum(found.values()) == sum(parameter.numel() for parameter in model.parameters())
    sizes = dict(model.named_parameters())
    assert found["autograd"] == sum(sizes[name].numel() for name in by_autograd(model))


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_copies_take_what_has_no_formula_and_nothing_is_left_to_autograd(kind):
    model = tiny_model(kind)
    words = COPIED.get(kind, ())
    words = (words,) if isinstance(words, str) else words
    assert by_copies(model) == {n for n, _ in model.named_parameters() if any(word in n for word in words)}
    assert bool(by_copies(model)) == (kind in COPIED)
    assert by_autograd(model) == set()


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_the_ways_are_those_of_the_modules(kind):
    model = tiny_model(kind)
    found = covered(model)
    head = model.get_output_embeddings()
    tied = head in found.modules["linear"] and head.weight is model.get_input_embeddings().weight
    linear = sum(p.numel() for m in found.modules["linear"] for p in m.parameters())
    assert found.num_scalars["linear"] == linear - tied * head.weight.numel()
    for way, kinds in (("embedding", (nn.Embedding,)), ("linear", (nn.Linear, nn.Module))):
        assert all(isinstance(module, kinds) for module in found.modules[way])
    assert head in found.modules["linear"]
    assert model.get_input_embeddings() in found.modules["embedding"]
    for way in ("linear", "norm", "embedding"):
        modules = found.modules[way]
        assert len({id(module) for module in modules}) == len(modules)  # a second hook would count twice


@pytest.mark.parametrize("padding", [None, 7])
@pytest.mark.parametrize("kind", ["gpt2", "llama"])  # tied and not
def test_the_padding_row_of_an_embedding_takes_no_gradient(kind, padding):
    model = sharp_model(kind).double()
    model.get_input_embeddings().padding_idx = padding
    example = SpanTokens([7, 3, 7, 9, 7, 5, 7], 3)
    assert agrees_with_autograd(model, example)
    units = sublayers(model)
    with_padding = gradient_norms(model, units, [example]).each[0, -1]
    model.get_input_embeddings().padding_idx = None
    without = gradient_norms(model, units, [example]).each[0, -1]
    assert (abs(with_padding / without - 1) > 1e-3) == (padding is not None)


def test_positions_shared_by_the_batch_give_a_norm_an_example():
    model = sharp_model("gpt2").double()
    shapes, hooks = [], []
    hooks.append(model.transformer.wpe.register_forward_hook(lambda m, i, o: shapes.append(tuple(o.shape))))
    examples = some_examples(4, shortest=9, longest=9)
    together = gradient_norms(model, sublayers(model), examples, mean=False)
    assert (1, 7, 16) in shapes  # The model looks positions up once for all examples, as the trial shows.
    hooks[0].remove()
    positions = model.transformer.wpe.weight
    assert any(module is model.transformer.wpe for module in covered(model).modules["embedding"])
    assert not any(parameter is positions for parameter in covered(model).autograd)
    only = [unit for unit in sublayers(model) if unit.name == "embedding"]
    for number, example in enumerate(examples):
        alone = gradient_norms(model, only, [example], mean=False).each[0]
        assert together.each[number, -1] == pytest.approx(alone[0], rel=1e-9)
        assert agrees_with_autograd(model, example)
    assert len({round(float(norm), 9) for norm in together.each[:, -1]}) == 4


def test_the_calls_of_a_linear_map_that_is_called_twice_are_summed():
    model = sharp_model("llama").double()
    mlp = model.model.layers[1].mlp
    original = mlp.forward
    mlp.forward = lambda x: original(x) + original(x * 0.5)
    found = covered(model)
    assert names_of(model, found.repeated) == {
        f"model.layers.1.mlp.{name}_proj.weight" for name in ("gate", "up", "down")
    }
    assert not found.autograd
    assert agrees_with_autograd(model)


@pytest.mark.parametrize("name", ["up_proj", "down_proj"])
def test_the_calls_of_a_weight_that_two_modules_share_are_summed(name):
    model = sharp_model("llama").double()
    first, second = (getattr(layer.mlp, name) for layer in model.model.layers)
    second.weight = first.weight
    found = covered(model)
    assert names_of(model, found.repeated) == {f"model.layers.0.mlp.{name}.weight"}
    assert not found.autograd
    assert agrees_with_autograd(model)


def test_a_linear_map_may_get_batch_and_time_in_one_dimension():
    model = sharp_model("llama").double()
    mlp = model.model.layers[0].mlp
    mlp.forward = lambda x: mlp.down_proj(mlp.up_proj(x.flatten(0, 1)).view(*x.shape[:2], -1))
    found = covered(model)
    assert not found.autograd
    assert names_of(model, found.unused) == {"model.layers.0.mlp.gate_proj.weight"}  # never called
    assert agrees_with_autograd(model)


def test_a_linear_map_over_time_first_runs_with_copies_of_what_contains_it():
    model = sharp_model("llama").double()
    mlp = model.model.layers[0].mlp
    mlp.forward = lambda x: mlp.down_proj(mlp.up_proj(x.transpose(0, 1)).transpose(0, 1))
    assert by_copies(model) == {f"model.layers.0.mlp.{name}_proj.weight" for name in ("gate", "up", "down")}
    assert agrees_with_autograd(model)


def test_a_parameter_that_the_trial_does_not_use_is_measured_when_a_batch_uses_it():
    model = sharp_model("llama").double()
    mlp = model.model.layers[0].mlp
    original = mlp.forward
    # The trial has 7 tokens in each example; the examples here have more.
    mlp.forward = lambda x: mlp.down_proj(mlp.up_proj(x)) if x.shape[1] <= 7 else original(x)
    units, examples = sublayers(model), some_examples(3, shortest=9, longest=12)
    coverage = cover(model, units)
    assert names_of(model, coverage.unused) == {"model.layers.0.mlp.gate_proj.weight"}
    assert check_norms(model, units, examples, coverage=coverage) < 1e-9
    assert gradient_norms(model, units, examples, coverage=coverage).of_mean[1] > 0


def test_a_module_of_an_unknown_kind_runs_with_copies():
    class Scaled(nn.Linear):
        def forward(self, x):
            return 3 * super().forward(x)

    model = sharp_model("llama").double()
    mlp = model.model.layers[0].mlp
    mlp.up_proj.__class__ = Scaled
    assert by_copies(model) == {"model.layers.0.mlp.up_proj.weight"}
    assert agrees_with_autograd(model)


@pytest.mark.parametrize("change", [{"max_norm": 0.1}, {"scale_grad_by_freq": True}])
def test_an_embedding_with_a_gradient_of_its_own_kind_is_left_to_autograd(change):
    model = sharp_model("llama")
    for name, value in change.items():
        setattr(model.model.embed_tokens, name, value)
    assert by_autograd(model) == {"model.embed_tokens.weight"}


class OnePlusRMSNorm(nn.Module):
    """Gemma's form: (1 + weight) * x / rms."""

    def __init__(self, weight):
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, x):
        return (1 + self.weight) * x * x.square().mean(-1, keepdim=True).add(1e-6).rsqrt()


def test_a_norm_may_multiply_by_its_weight_or_by_one_more():
    model = sharp_model("llama").double()
    model.model.norm = OnePlusRMSNorm(model.model.norm.weight.detach() - 0.7)
    assert by_autograd(model) == set()
    assert agrees_with_autograd(model)


def test_the_torch_norms_go_by_formula_too():
    model = sharp_model("llama").double()
    model.model.norm = nn.RMSNorm(16, eps=1e-6, dtype=torch.float64)
    model.model.layers[0].input_layernorm = nn.LayerNorm(16, dtype=torch.float64)
    assert by_autograd(model) == set()
    assert agrees_with_autograd(model)


def test_a_model_without_an_output_head_is_refused():
    model = AutoModel.from_config(ARCHITECTURES["gpt2"])
    with pytest.raises(TglError, match=r"GPT2Model: no output head"):
        cover(model, [])


def test_the_head_sees_the_predicting_positions_only():
    model = sharp_model("gpt2")
    coverage, ids = covered(model), torch.tensor([[5, 6, 7, 8], [9, 8, 7, 6]])
    whole = model(input_ids=ids).logits
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    with hooked(model, coverage, torch.tensor([[3], [1]])):
        found = model(input_ids=ids, use_cache=False).logits
    assert found.shape == (2, 1, 300)
    assert torch.allclose(found[:, 0], torch.stack([whole[0, 3], whole[1, 1]]), atol=1e-5)
    assert model(input_ids=ids).logits.shape == whole.shape  # the hooks are gone


class ScaledRMSNorm(OnePlusRMSNorm):
    """A norm with a parameter of its own next to its weight."""

    def __init__(self, weight):
        super().__init__(weight)
        self.gain = nn.Parameter(torch.full_like(weight, 1.5))

    def forward(self, x):
        return self.gain * super().forward(x)


def test_a_norm_with_other_parameters_runs_with_copies():
    model = sharp_model("llama").double()
    model.model.norm = ScaledRMSNorm(model.model.norm.weight.detach() - 0.7)
    assert by_copies(model) == {"model.norm.gain", "model.norm.weight"}
    assert agrees_with_autograd(model)
