"""Units of one matrix: names, parameters, norms, and plans."""

import numpy as np
import pytest
import torch

from tests.profiling.profiled_objects import profiled
from tests.support.model_fixtures import ARCHITECTURES, parameters_of, some_tokens, tiny_model
from tests.support.twins import twin
from tgl.core.errors import TglError
from tgl.core.vocabulary import UNRANKED
from tgl.models.matrices import model_units, units_named
from tgl.models.sublayers import sublayers
from tgl.plans.plan import Plan
from tgl.profiling.settings import ProfileConfig
from tgl.train.engines.interface import language_model_loss

LLAMA = [
    f"block{block:02d}.{name}"
    for block in (0, 1)
    for name in (
        "attention.q_proj", "attention.k_proj", "attention.v_proj", "attention.o_proj", "mlp.gate_proj",
        "mlp.up_proj", "mlp.down_proj",
    )
]  # fmt: skip


def matrices(model):
    return [unit for unit in model_units(model, "module") if unit.name not in UNRANKED]


def test_the_units_of_llama_are_its_matrices_with_the_norms_in_the_first():
    units = matrices(tiny_model("llama"))
    assert [unit.name for unit in units] == LLAMA
    assert set(units[0].parameters) == {
        "model.layers.0.self_attn.q_proj.weight", "model.layers.0.input_layernorm.weight",
    }  # fmt: skip
    assert set(units[1].parameters) == {"model.layers.0.self_attn.k_proj.weight"}


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_the_matrices_of_a_sublayer_have_its_parameters_once(kind):
    model = tiny_model(kind)
    names = [unit.name for unit in model_units(model, "module")]
    assert len(names) == len(set(names))
    for sublayer in sublayers(model):
        own = [
            u
            for u in model_units(model, "module")
            if u.name == sublayer.name or u.name.startswith(f"{sublayer.name}.")
        ]
        found = [name for unit in own for name in unit.parameters]
        assert sorted(found) == sorted(sublayer.parameters)
        assert all((unit.block, unit.part) == (sublayer.block, sublayer.part) for unit in own)


def test_each_stack_of_experts_is_a_unit_with_its_biases():
    units = {unit.name: list(unit.parameters) for unit in matrices(twin("gpt_oss"))}
    ends = {name: {p.rpartition(".")[2] for p in own} for name, own in units.items() if "experts" in own[0]}
    assert ends["block00.mlp.gate_up_proj"] >= {"gate_up_proj", "gate_up_proj_bias"}
    assert ends["block00.mlp.down_proj"] == {"down_proj", "down_proj_bias"}


def test_squared_norms_of_matrices_add_up_to_those_of_the_sublayer():
    by_sublayer = profiled(tiny_model("llama"), twin=False).norms
    by_matrix = profiled(tiny_model("llama"), settings=ProfileConfig(unit="module", **SETTINGS), twin=False)
    rows = by_matrix.norms[by_matrix.norms["example"] >= 0]
    assert list(dict.fromkeys(rows["sublayer"])) == [*LLAMA, "embedding"]
    summed = rows.assign(
        sublayer=rows["sublayer"].str.replace(r"^(block.*?\..*?)\..*", r"\1", regex=True),
        square=rows["norm"] ** 2,
    )
    keys = ["group", "example", "sublayer"]
    found = np.sqrt(summed.groupby(keys)["square"].sum())
    expected = by_sublayer[by_sublayer["example"] >= 0].set_index(keys)["norm"].sort_index()
    assert found.sort_index().to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-5)


SETTINGS = {"examples": 4, "window_tokens": 20, "bootstrap": 100}


def test_a_plan_from_a_profile_by_matrix_trains_only_the_chosen_matrices():
    model = tiny_model("llama")
    plan = profiled(model, settings=ProfileConfig(unit="module", **SETTINGS), twin=False).plan("tgl_fp.top25")
    assert set(plan.multipliers) == set(LLAMA)
    assert 0 < len(plan.trained()) < len(LLAMA)
    optimiser = torch.optim.SGD(plan.param_groups(model, 0.1), lr=1.0)
    before = parameters_of(model)
    language_model_loss(model, torch.from_numpy(some_tokens(64)).long().reshape(4, 16)).backward()
    optimiser.step()
    owner = {name: unit.name for unit in matrices(model) for name in unit.parameters}
    moved = {owner.get(n, "embedding") for n, p in model.named_parameters() if not torch.equal(p, before[n])}
    assert moved == plan.trained()


def test_names_choose_between_sublayers_and_matrices():
    model = tiny_model("llama")
    assert [u.name for u in units_named(model, LLAMA)] == [u.name for u in model_units(model, "module")]
    for names in (["block00.mlp"], [], ["embedding"], ["block07.mlp"]):
        assert [u.name for u in units_named(model, names)] == [u.name for u in sublayers(model)]


def test_a_plan_of_both_kinds_of_names_is_refused():
    plan = Plan("by hand", 0.0, {"block00.mlp": 1.0, "block00.attention.q_proj": 1.0})
    with pytest.raises(TglError, match=r"no sublayer \['block00.attention.q_proj'\]"):
        plan.param_groups(tiny_model("llama"), 0.1)


@pytest.mark.parametrize(
    "kind", [torch.optim.Adafactor, torch.optim.NAdam, torch.optim.SGD, torch.optim.Adagrad]
)
def test_any_optimiser_takes_the_groups_of_a_plan(kind):
    model = tiny_model("llama")
    multipliers = {unit.name: float(unit.part == "mlp") * 0.5 for unit in sublayers(model) if unit.block >= 0}
    optimiser = kind(Plan("by hand", 1.0, multipliers).param_groups(model, 0.01, weight_decay=0.1))
    assert {group["lr"] for group in optimiser.param_groups} == {0.01, 0.005}
    assert {unit for group in optimiser.param_groups for unit in group["units"]} == {
        "block00.mlp", "block01.mlp", "embedding",
    }  # fmt: skip
    before = parameters_of(model)
    language_model_loss(model, torch.from_numpy(some_tokens(64)).long().reshape(4, 16)).backward()
    optimiser.step()
    for name, parameter in model.named_parameters():
        frozen = "self_attn" in name or "input_layernorm" in name
        assert torch.equal(parameter, before[name]) == frozen, name


def test_muon_trains_the_matrices_of_a_plan_and_adamw_the_rest():
    model = tiny_model("llama")
    multipliers = {unit.name: float(unit.part == "mlp") * 0.5 for unit in sublayers(model) if unit.block >= 0}
    plan = Plan("by hand", 1.0, multipliers)
    groups = plan.param_groups(model, 0.01, weight_decay=0.1, by_role=True)
    assert {role for group in groups for role in group["roles"]} == {"matrix", "embedding", "other"}
    assert all(len(set(group["roles"])) == 1 for group in groups)
    muon = torch.optim.Muon([group for group in groups if group["roles"][0] == "matrix"])
    adamw = torch.optim.AdamW([group for group in groups if group["roles"][0] != "matrix"])
    assert {group["lr"] for group in muon.param_groups} == {0.005}
    before = parameters_of(model)
    language_model_loss(model, torch.from_numpy(some_tokens(64)).long().reshape(4, 16)).backward()
    muon.step()
    adamw.step()
    for name, parameter in model.named_parameters():
        frozen = "self_attn" in name or "input_layernorm" in name
        assert torch.equal(parameter, before[name]) == frozen, name
