"""Linear maps, their rows, and the neurons of MLPs, in every architecture with dense MLPs."""

import pytest
import torch

from tests.support.model_fixtures import ARCHITECTURES, BLOCK, tiny_model
from tests.support.twins import twin
from tgl.core.errors import TglError
from tgl.models.linear import linear_maps, mlps
from tgl.models.sublayers import sublayers

DENSE = [name for name in ARCHITECTURES if name not in ("mamba", "rwkv", "tgl_gru")]
IDS = torch.arange(1, BLOCK + 1)[None]


@pytest.mark.parametrize("kind", DENSE)
def test_changing_the_rows_of_a_map_changes_exactly_these_outputs(kind):
    model = tiny_model(kind)
    for linear in linear_maps(unit for unit in sublayers(model) if unit.name != "embedding"):
        rows = torch.zeros(linear.num_outputs, dtype=torch.bool)
        rows[1::3] = True
        given = torch.randn(4, linear.num_inputs)
        before = linear.module(given).detach()
        parameters = dict(model.named_parameters())
        with torch.no_grad():
            for name, mask in linear.masks(rows).items():
                assert mask.shape == parameters[name].shape
                parameters[name].add_(mask * 0.5)
        changed = (linear.module(given).detach() != before).any(0)
        assert torch.equal(changed, rows), linear.name


@pytest.mark.parametrize("kind", DENSE)
def test_the_parameters_of_a_neuron_are_all_that_its_contribution_depends_on(kind):
    """With the masked weights of all but some neurons at zero, only these neurons reach the output."""
    model = tiny_model(kind)
    parameters = dict(model.named_parameters())
    for mlp in mlps(model, sublayers(model)):
        assert mlp.num_neurons in (32, 64)
        chosen = torch.zeros(mlp.num_neurons, dtype=torch.bool)
        chosen[[0, 5, 31]] = True
        masks, seen = mlp.masks(chosen), []
        names = {
            name
            for linear in (*mlp.before, mlp.down)
            for name in linear.masks(torch.ones(linear.num_outputs, dtype=torch.bool))
        }
        assert set(masks) == names - {f"{mlp.down.name}.bias"}
        counts = {name: int(mask.sum()) for name, mask in masks.items()}
        assert counts[f"{mlp.down.name}.weight"] == 3 * 16
        handle = mlp.down.module.register_forward_pre_hook(
            lambda _, inputs, seen=seen: seen.append(inputs[0].detach())
        )
        with torch.no_grad():
            model(input_ids=IDS)
            for linear in mlp.before:
                for leaf in ("weight", "bias"):
                    if (name := f"{linear.name}.{leaf}") in masks:
                        parameters[name].add_(masks[name] * 0.3)
            model(input_ids=IDS)
        handle.remove()
        changed = (seen[0] != seen[1]).flatten(0, -2).any(0)
        assert torch.equal(changed, chosen), mlp.unit


def test_a_fused_gate_has_two_rows_a_neuron():
    from transformers import AutoModelForCausalLM, Phi3Config

    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(
        Phi3Config(
            vocab_size=300, max_position_embeddings=BLOCK, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
            intermediate_size=32, bos_token_id=0, eos_token_id=0, pad_token_id=0,
        )
    )  # fmt: skip
    mlp = mlps(model, sublayers(model))[0]
    chosen = torch.zeros(32, dtype=torch.bool)
    chosen[4] = True
    rows = mlp.masks(chosen)[f"{mlp.before[0].name}.weight"].any(1)
    assert rows.nonzero().flatten().tolist() == [4, 36]


def test_an_mlp_with_a_map_that_does_not_run_is_refused_with_its_maps():
    """So does an expert of a mixture that gets no token."""
    model = tiny_model("llama")
    model.model.layers[1].mlp.expert = torch.nn.Linear(16, 32)
    with pytest.raises(
        TglError, match=r"block01\.mlp: found the linear maps .*expected dense maps into one layer"
    ):
        mlps(model, sublayers(model))


def test_models_without_mlps_have_none():
    model = tiny_model("mamba")
    assert mlps(model, sublayers(model)) == []


def test_an_expert_that_all_tokens_share_does_not_make_a_mixture_a_dense_mlp():
    model = twin("deepseek_v3")
    with pytest.raises(
        TglError, match=r"block\d+\.mlp: found the linear maps .*shared_experts.* and the weights .*experts"
    ):
        mlps(model, sublayers(model))
