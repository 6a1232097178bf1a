"""Models with peft adapters: their own parameters and those of the adapters, each by autograd or by a merge."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from peft import IA3Config, LoraConfig, get_peft_model
from torch import nn

from tests.profiling.profiled_objects import assert_left, left_as, profiled
from tests.support.model_fixtures import tiny_model, tiny_tokenizer
from tgl.core.errors import TglError
from tgl.evaluate.spans import SpanTokens
from tgl.models.checkpoint import save_model
from tgl.models.matrices import adapter_parameters, model_units
from tgl.plans.plan import load_plan, save_plan
from tgl.plans.settings import PlanConfig
from tgl.plans.stage import write_plan
from tgl.profiling.coverage import cover
from tgl.profiling.norms import check_norms, gradient_norms
from tgl.profiling.settings import ProfileConfig

EXAMPLES = [SpanTokens(list(range(3, 3 + length)), length - 4) for length in (9, 12, 7)]


def adapted(kind="llama", targets=("q_proj", "down_proj")):
    torch.manual_seed(2)
    model = get_peft_model(tiny_model(kind, seed=3), LoraConfig(r=2, target_modules=list(targets)))
    for name, parameter in model.named_parameters():
        if "lora_B" in name:  # Zero at first, which would leave the adapters without effect.
            nn.init.normal_(parameter, std=0.3)
    return model.eval()


@pytest.mark.parametrize("given", ["wrapped", "inside"])
def test_the_own_parameters_of_an_adapted_model_have_the_norms_of_the_merged_model(given):
    model = adapted()
    found = profiled(model if given == "wrapped" else model.base_model.model)
    merged = profiled(adapted().merge_and_unload())
    columns = ["sublayer", "group", "denominator", "num_parameters"]
    assert found.profile[columns].equals(merged.profile[columns])
    np.testing.assert_allclose(found.profile["relative_norm"], merged.profile["relative_norm"], rtol=1e-4)
    np.testing.assert_allclose(found.norms["norm"], merged.norms["norm"], rtol=1e-3)
    assert found.about["adapters"]["measured"] == "the model's own parameters, with the adapters active"
    assert "adapters" not in merged.about


@pytest.mark.parametrize("unit", ["sublayer", "module"])
def test_norms_of_adapters_are_those_of_autograd(unit):
    model = adapted()
    network = model.base_model.model
    units = model_units(network, unit, adapters=True)
    coverage = cover(network, units)
    assert coverage.num_scalars["linear"] == sum(u.num_parameters for u in units)
    assert check_norms(network, units, EXAMPLES[:2], coverage=coverage) < 1e-4
    norms = gradient_norms(network, units, EXAMPLES, coverage=coverage)
    assert (norms.each > 0).all()
    assert {p for u in units for p in u.parameters.values()} == {
        p for name, p in model.named_parameters() if "lora_" in name
    }


def test_both_kinds_of_units_together_are_all_parameters():
    model = adapted().base_model.model
    own, added = (model_units(model, "sublayer", adapters=adapters) for adapters in (False, True))
    parts = [p for units in (own, added) for unit in units for p in unit.parameters.values()]
    assert len(parts) == len(set(parts)) == len(list(model.parameters()))
    assert {u.name for u in added} <= {u.name for u in own}


def test_a_plan_from_adapters_trains_them_and_leaves_sublayers_without_any_alone(tmp_path):
    model = adapted(targets=["q_proj"])
    before = left_as(model)
    found = profiled(model, adapters=True, twin=True)
    assert_left(before, left_as(model))
    assert set(found.profile["weights"]) == {"trained"}
    assert found.about["adapters"]["without"] == ["block00.mlp", "block01.mlp"]
    plan = found.plan("tgl_fp")
    assert {plan.of(name) for name in ("block00.mlp", "block01.mlp")} == {0.0}
    found.save(tmp_path)
    write_plan(tmp_path / "profile.parquet", "tgl_fp", tmp_path / "plan.json", settings=PlanConfig(), seed=0)
    assert load_plan(tmp_path / "plan.json").multipliers == plan.multipliers
    save_plan(
        plan, tmp_path / "mine.json"
    )  # as if written by hand, with all sublayers or with those of the profile
    own = {name: value for name, value in plan.multipliers.items() if not name.endswith("mlp")}
    save_plan(replace(plan, multipliers=own), tmp_path / "own.json")
    for name in ("mine", "own"):
        given = f"file:{tmp_path / name}.json"
        write_plan(tmp_path / "profile.parquet", given, tmp_path / "read.json", settings=PlanConfig(), seed=0)
        assert load_plan(tmp_path / "read.json").multipliers == plan.multipliers
    groups = plan.param_groups(model, 0.1)
    trained = {p for group in groups for p in group["params"]}
    assert trained
    assert trained < adapter_parameters(model)


def test_adapters_that_no_formula_covers_are_measured_too():
    model = get_peft_model(
        tiny_model("llama", seed=3), IA3Config(target_modules=["k_proj"], feedforward_modules=[])
    )
    network = model.base_model.model.eval()
    units = model_units(network, "sublayer", adapters=True)
    coverage = cover(network, units)
    assert check_norms(network, units, EXAMPLES[:2], coverage=coverage) < 1e-4


def test_adapters_are_asked_for_where_there_are_none():
    with pytest.raises(TglError, match="has no peft adapters, expected some to measure"):
        profiled(tiny_model(), adapters=True)


def test_the_adapter_of_a_folder_is_measured_as_the_one_of_an_object(tmp_path):
    save_model(tiny_model("llama", seed=3), tiny_tokenizer(), tmp_path / "base")
    model = adapted()
    model.peft_config["default"].base_model_name_or_path = str(tmp_path / "base")
    model.save_pretrained(tmp_path / "adapter")
    found = profiled(tmp_path / "adapter", adapters=True)
    expected = profiled(model, adapters=True)
    columns = ["sublayer", "group", "denominator", "num_parameters"]
    assert found.profile[columns].equals(expected.profile[columns])
    np.testing.assert_allclose(found.profile["relative_norm"], expected.profile["relative_norm"], rtol=1e-5)
    with pytest.raises(TglError, match=r"expected an adapter to keep|holds an adapter|no peft adapters"):
        profiled(tmp_path / "base", adapters=True)


@pytest.mark.parametrize("state", ["merge_adapter", "disable_adapter_layers"])
def test_adapters_that_are_merged_or_disabled_are_refused(state):
    model = adapted()
    getattr(model, state)()
    with pytest.raises(TglError, match=r"the adapter of '.*q_proj' is merged or disabled"):
        profiled(model, adapters=True)


def test_adapters_that_were_never_trained_are_named():
    model = get_peft_model(tiny_model("llama"), LoraConfig(r=2, target_modules=["q_proj"]))
    with pytest.raises(TglError, match=r"the gradients of block00\.attention.* vanish .*never trained"):
        profiled(model, adapters=True, settings=ProfileConfig(examples=3, bootstrap=100, unit="module"))
