"""`tgl.Profile.plan`: a plan by its name, from a profile in memory."""

import io

import pandas as pd
import pytest
import torch

import tgl
from tests.profiling.profiled_objects import profiled
from tests.support.model_fixtures import RANKED, tiny_model
from tests.train.continual_runs import profile_row
from tgl.core.errors import TglError
from tgl.core.tables.write import write_table
from tgl.models.sublayers import sublayers
from tgl.plans.plan import load_plan
from tgl.plans.settings import PlanConfig
from tgl.plans.stage import write_plan
from tgl.profiling.measure import TABLES
from tgl.profiling.profile import Profile
from tgl.profiling.settings import ProfileConfig

# Relative norms by (group, denominator): each points elsewhere.
NORMS = {
    ("updated", "window"): (1.0, 2.0, 6.0, 3.0),
    ("updated", "unchanged"): (6.0, 1.0, 2.0, 3.0),
    ("new_entity", "window"): (1.0, 6.0, 2.0, 3.0),
}
SIZES = {unit.name: unit.num_parameters for unit in sublayers(tiny_model())}


def rows():
    found = [
        profile_row(name, value, group=group, denominator=denominator, num_parameters=SIZES[name])
        for (group, denominator), values in NORMS.items()
        for name, value in zip(RANKED, values, strict=True)
    ]
    others = [profile_row(name, 9.0, weights="random", num_parameters=1) for name in RANKED]
    return [
        *found,
        *others,
        profile_row("all", 50.0),
        {**profile_row("block00.mlp", 99.0), "sublayer": "embedding"},
    ]


@pytest.fixture
def found():
    tables = {name: pd.DataFrame() for name in TABLES} | {"profile": pd.DataFrame(rows())}
    return Profile(**tables, about={"model": "folder/of/model"})


def test_the_name_says_policy_group_and_denominator(found):
    assert found.plan("tgl_fp").trained() == {RANKED[2]}
    assert found.plan("tgl_fp.unchanged").trained() == {RANKED[0]}
    assert found.plan("tgl_fp.new_entity").trained() == {RANKED[1]}
    assert found.plan("tgl_fp.top50").trained() == {RANKED[2], RANKED[3]}
    assert found.plan("tgl_alr").multipliers == pytest.approx(
        {name: value / 3 for name, value in zip(RANKED, (1, 2, 6, 3), strict=True)}
    )
    assert found.plan("tgl_fp").method == "tgl_fp"
    assert found.plan("tgl_fp").embedding == 0
    assert found.plan("tgl_fp.trained_embedding").embedding == 1


def test_settings_say_what_the_name_leaves_open(found):
    settings = PlanConfig(denominator="unchanged", embedding="trained")
    plan = found.plan("tgl_fp", settings=settings)
    assert (plan.trained(), plan.denominator, plan.embedding) == ({RANKED[0]}, "unchanged", 1)
    assert found.plan("tgl_fp.window", settings=settings).trained() == {RANKED[2]}


@pytest.mark.parametrize("name", ["full", "tgl_fp.top25", "random.top50", "lisa", "shuffled_alr", "only.1"])
def test_the_plan_is_the_one_that_the_stage_writes_from_the_same_table(found, tmp_path, name):
    write_table(rows(), tmp_path / "profile.parquet", "profile")
    write_plan(tmp_path / "profile.parquet", name, tmp_path / "plan.json", settings=PlanConfig(), seed=5)
    assert found.plan(name, seed=5) == load_plan(tmp_path / "plan.json")


def test_random_plans_follow_the_seed(found):
    plans = [found.plan("shuffled_alr", seed=seed).multipliers for seed in range(8)]
    assert plans[3] == found.plan("shuffled_alr", seed=3).multipliers
    assert any(plan != plans[0] for plan in plans)


def test_counts_are_of_parameters_of_the_sublayers_alone(found):
    plan = found.plan("tgl_fp")
    assert plan.trainable_parameters == SIZES[RANKED[2]]
    assert plan.total_parameters == sum(SIZES[name] for name in RANKED)


@pytest.mark.parametrize("block", [0, 1])
def test_spectrum_looks_at_the_model_and_is_refused_without(found, block):
    model = tiny_model(seed=3)
    with torch.no_grad():  # random weights have no signal: here four directions stand out
        for parameter in model.transformer.h[block].attn.parameters():
            if parameter.dim() == 2:
                rows, columns = parameter.shape
                parameter.add_(torch.randn(rows, 4) @ torch.randn(4, columns))
    assert found.plan("spectrum", model=model).trained() == {f"block0{block}.attention"}
    with pytest.raises(TglError, match="'spectrum"):
        found.plan("spectrum")


def test_the_plan_goes_onto_the_model_it_was_profiled_on(found):
    model = tiny_model()
    groups = found.plan("tgl_alr").param_groups(model, lr=0.3, weight_decay=0.1)
    assert sorted({group["lr"] for group in groups}) == pytest.approx([0.1, 0.2, 0.3, 0.6])
    assert sum(p.numel() for group in groups for p in group["params"]) == sum(SIZES[name] for name in RANKED)


def test_what_the_profile_does_not_hold_is_refused_naming_the_profiled_model(found):
    with pytest.raises(TglError, match=r"folder/of/model: no relative norm of 'updated' over 'matched_span'"):
        found.plan("tgl_fp.matched_span")
    with pytest.raises(TglError, match=r"no policy 'tgl_pf'.*tgl_fp"):
        found.plan("tgl_pf")


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        (None, {}, "name: found None"),
        (3, {}, "name: found 3"),
        ("", {}, "no policy ''"),
        ("only.99", {}, "there are 4 sublayers"),
        ("tgl_fp", {"settings": {"embedding": "trained"}}, "settings: found {'embedding'"),
        ("random", {"seed": "x"}, "seed: found 'x'"),
        ("spectrum", {"model": "folder"}, "model: found str"),
    ],
)
def test_arguments_of_a_wrong_kind_are_refused(found, name, options, words):
    with pytest.raises(TglError, match=words):
        found.plan(name, **options)


def test_a_borrowed_plan_is_refused_as_there_is_no_other_profile(found):
    with pytest.raises(TglError, match="borrowed"):
        found.plan("tgl_fp.borrowed")


def test_a_measured_profile_that_was_saved_and_loaded_gives_the_same_plan(tmp_path):
    from tests.profiling.test_measure import profiled

    measured = profiled()
    measured.save(tmp_path)
    loaded = tgl.Profile.load(tmp_path)
    for name in ("tgl_alr", "tgl_fp.new_entity.unchanged", "random.top50"):
        assert loaded.plan(name, seed=1) == measured.plan(name, seed=1)
    assert list(loaded.plan("full").multipliers) == RANKED


def test_a_profile_shows_its_model_its_sublayers_and_its_groups(found):
    assert repr(found) == "<Profile folder/of/model: 4 sublayers; groups updated, new_entity>"


def test_a_profile_is_a_table_in_a_notebook(found):
    html = found._repr_html_()
    (table,) = pd.read_html(io.StringIO(html), header=[0, 1], index_col=0)
    assert set(table.columns) == set(NORMS)
    assert list(table.index) == [*RANKED, "all", "embedding"]
    for pair, values in NORMS.items():
        assert table.loc[RANKED, pair].tolist() == list(values)
    assert table.loc["all", ("updated", "window")] == 50
    assert ">9.00<" not in html  # the random weights'


def test_a_profile_of_heads_gives_no_plan():
    found = profiled(
        tiny_model(), settings=ProfileConfig(examples=4, window_tokens=20, bootstrap=100, unit="head")
    )
    names = set(found.profile["sublayer"])
    assert {"block00.attention.head00", "block00.attention.rest", "block00.mlp"} <= names
    with pytest.raises(
        TglError, match="found a profile of attention heads, which cannot be frozen one by one"
    ):
        found.plan("tgl_fp")
