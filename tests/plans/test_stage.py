import pytest

from tgl.config import PlanConfig
from tgl.errors import TglError
from tgl.plans.plan import load_plan
from tgl.plans.stage import units_of, write_plan
from tgl.tables import write_table

NORMS = {"block00.attention": 2.0, "block00.mlp": 1.0, "block01.attention": 6.0, "block01.mlp": 3.0}


def row(sublayer, relative_norm, weights="trained", group="updated", denominator="window"):
    return {
        "weights": weights, "group": group, "denominator": denominator, "sublayer": sublayer,
        "block": -1 if sublayer == "all" else int(sublayer[5:7]), "part": sublayer.split(".")[-1],
        "num_parameters": 100, "num_examples": 4, "num_denominator_examples": 4, "mean_norm": 1.0,
        "norm_of_mean": 1.0, "relative_norm": relative_norm, "low": 0.5, "high": 9.0, "above_mean": 0.5,
    }  # fmt: skip


@pytest.fixture
def profile(tmp_path):
    # Every other row points at other sublayers: a plan that mixes them up differs.
    rows = [row(name, value) for name, value in NORMS.items()] + [row("all", 100.0)]
    for other in (
        {"weights": "random"},
        {"group": "unchanged"},
        {"group": "shuffled.updated"},
        {"denominator": "matched_span"},
    ):
        rows += [row(name, 10 - value, **other) for name, value in NORMS.items()]
    write_table(rows, tmp_path / "profile.parquet", "profile")
    return tmp_path / "profile.parquet"


def test_the_plan_uses_trained_weights_the_chosen_group_and_denominator_only(profile, tmp_path):
    write_plan(profile, "tgl_fp", PlanConfig(), 0, tmp_path / "plan.json")
    plan = load_plan(tmp_path / "plan.json")
    assert list(plan.multipliers) == list(NORMS)
    assert plan.trained() == {"block01.attention"}
    assert (plan.denominator, plan.total_parameters, plan.trainable_parameters) == ("window", 400, 100)


def test_another_denominator_gives_another_plan(profile, tmp_path):
    write_plan(profile, "tgl_fp", PlanConfig(denominator="matched_span"), 0, tmp_path / "plan.json")
    assert load_plan(tmp_path / "plan.json").trained() == {"block00.attention", "block00.mlp"}


def test_the_plan_is_told_as_a_table(profile, tmp_path):
    text = write_plan(profile, "tgl_alr", PlanConfig(embedding="trained"), 0, tmp_path / "plan.json")
    line = next(line for line in text.splitlines() if line.startswith("block01.attention"))
    assert line.split() == ["block01.attention", "100", "6.000", "2.000"]
    assert "400 of 400 parameters" in text
    assert "embedding trained" in text


def test_a_group_that_the_profile_lacks_is_refused(profile, tmp_path):
    with pytest.raises(TglError, match=r"no relative norm of 'new_entity' over 'window'"):
        write_plan(profile, "tgl_fp", PlanConfig(salient="new_entity"), 0, tmp_path / "plan.json")
    assert not (tmp_path / "plan.json").exists()


def test_the_units_of_a_plan_are_those_of_its_group_without_the_mean_and_the_embedding():
    rows = [row(name, value) for name, value in NORMS.items()]
    rows += [row("all", 100.0), row("block00.mlp", 50.0, group="matched_span.updated")]
    rows.append({**row("block00.mlp", 60.0), "sublayer": "embedding"})
    found = units_of(rows, PlanConfig(), "somewhere")
    assert [(unit.name, unit.num_parameters, unit.relative_norm) for unit in found] == [
        (name, 100, value) for name, value in NORMS.items()
    ]
    with pytest.raises(TglError, match=r"^somewhere: no relative norm of 'updated' over 'unchanged'"):
        units_of(rows, PlanConfig(denominator="unchanged"), "somewhere")
