"""Weight decay follows what a parameter does, for every architecture and for peft's adapters."""

import re

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn
from transformers import AutoModelForCausalLM, Mamba2Config

from tests.support.model_fixtures import ARCHITECTURES, VOCABULARY, parameters_by_unit, tiny_model
from tgl.models.roles import decays
from tgl.models.sublayers import ranked, sublayers
from tgl.plans.plan import Plan

# By name alone: what a reader of each architecture would list as no weight.
UNDECAYED = re.compile(
    r"bias|norm|ln_|\.ln\d\.|pre_ln|ln_out|layer_norm|time_decay|time_first|time_mix|A_log|\.D$|dt_bias"
)


def everything_of(model):
    return Plan("mine", 1.0, {unit.name: 1.0 for unit in ranked(sublayers(model))})


def decayed_names(model):
    groups = everything_of(model).param_groups(model, 0.1, weight_decay=0.5)
    held = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    return {name for name, p in model.named_parameters() if held[id(p)] > 0}


def mamba2():
    torch.manual_seed(0)
    config = Mamba2Config(
        vocab_size=VOCABULARY, hidden_size=16, num_hidden_layers=2, state_size=4, num_heads=4, head_dim=8, n_groups=1,
        bos_token_id=0, eos_token_id=0, pad_token_id=0,
    )  # fmt: skip
    return AutoModelForCausalLM.from_config(config)


@pytest.mark.parametrize("kind", [*sorted(ARCHITECTURES), "mamba2"])
def test_weights_decay_and_norms_biases_and_states_do_not(kind):
    model = mamba2() if kind == "mamba2" else tiny_model(kind)
    expected = {name for name, _ in model.named_parameters() if not UNDECAYED.search(name)}
    assert decayed_names(model) == expected
    assert expected


@pytest.mark.parametrize("kind", [*sorted(ARCHITECTURES), "mamba2"])
def test_every_parameter_is_in_exactly_one_group_when_everything_is_trained(kind):
    model = mamba2() if kind == "mamba2" else tiny_model(kind)
    groups = everything_of(model).param_groups(model, 0.1, weight_decay=0.5)
    found = sorted(id(p) for group in groups for p in group["params"])
    assert found == sorted(id(p) for p in model.parameters())


def test_the_shape_decides_nothing():
    """A state of two dimensions, a mix of three and a kernel of three; a bias of two and a weight of one."""
    mamba = decayed_names(tiny_model("mamba"))
    assert "backbone.layers.0.mixer.conv1d.weight" in mamba  # [channels, 1, width]
    assert "backbone.layers.0.mixer.A_log" not in mamba  # [channels, state]
    rwkv = decayed_names(tiny_model("rwkv"))
    assert not [name for name in rwkv if "time_mix" in name]  # [1, 1, hidden]
    gru = decayed_names(tiny_model("tgl_gru"))
    assert {"blocks.0.gru.weight_hh_l0", "blocks.0.gru.weight_ih_l0"} <= gru
    assert not [name for name in gru if "bias" in name]
    assert {"transformer.wte.weight", "transformer.wpe.weight"} <= decayed_names(tiny_model("gpt2"))

    class Experts(nn.Module):
        def __init__(self):
            super().__init__()
            self.down_proj = nn.Parameter(torch.ones(2, 3, 4))
            self.proj_bias = nn.Parameter(torch.ones(2, 3))
            self.scale_parameter = nn.Parameter(torch.ones(2, 3))

    experts = Experts()
    told = {name: decays(f"mlp.{name}", p, experts) for name, p in experts.named_parameters()}
    assert told == {"down_proj": True, "proj_bias": False, "scale_parameter": False}
    line = nn.Linear(4, 1)
    line.weight = nn.Parameter(line.weight[0])
    assert decays("line.weight", line.weight, line)


def test_a_parameter_that_its_author_marked_takes_no_decay():
    line = nn.Linear(2, 2)
    line.weight._no_weight_decay = True
    assert not decays("line.weight", line.weight, line)


@pytest.mark.parametrize("use_dora", [False, True])
def test_adapters_matrices_decay_and_magnitudes_do_not(use_dora):
    config = LoraConfig(r=2, target_modules=["q_proj", "embed_tokens"], use_dora=use_dora)
    model = get_peft_model(tiny_model("llama"), config)
    held = {
        id(p): group["weight_decay"]
        for group in everything_of(model).param_groups(model, 0.1, weight_decay=0.5)
        for p in group["params"]
    }
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert (held[id(parameter)] > 0) == ("magnitude" not in name), name


def test_a_unit_names_the_module_that_holds_each_parameter():
    model = tiny_model("opt")
    for unit in sublayers(model):
        assert set(unit.owners) == set(unit.parameters)
        for name, parameter in unit.parameters.items():
            assert getattr(unit.owners[name], name.rpartition(".")[2]) is parameter
    assert set(parameters_by_unit(model)) == {name for name, _ in model.named_parameters()}
