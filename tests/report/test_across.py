"""Several experiments side by side, from the folders that their reports leave."""

import dataclasses
import json
import math

import pandas as pd
import pytest

from tests.report.score_world import losses, probes, runs_of, scores, steps
from tgl.config.report_settings import ReportConfig
from tgl.core.errors import TglError
from tgl.core.schemas import SCHEMAS
from tgl.core.tables.write import write_table
from tgl.report.across import base_profiles, carried_over, write_across
from tgl.report.methods import findings

GATE = {"name": "facts known", "value": 0.9, "limit": 0.75, "met": True}
GAINS = {"full": 0.0, "tgl_fp": 0.4, "random": 0.0}
NORMS = {"block00.attention": 1.0, "block00.mlp": 3.0, "block01.attention": 2.0, "block01.mlp": 4.0}


def profile_rows(norms, weights="trained", group="updated", denominator="window"):
    """Return rows of `profile`; norms: by sublayer."""
    kinds = {"string": "x", "int32": 0, "int64": 1, "double": 0.5}
    blank = {field.name: kinds[str(field.type)] for field in SCHEMAS["profile"]}
    about = {"weights": weights, "group": group, "denominator": denominator}
    return [blank | about | {"sublayer": name, "relative_norm": value} for name, value in norms.items()]


def experiment(folder, found=None, gates=(GATE,), norms=(NORMS, NORMS)):
    """Make the folder of an experiment with a report of `found` and a profile for each seed."""
    report = folder / "report"
    report.mkdir(parents=True)
    for name in ("summary", "equal_uptake", "transfers"):
        table = getattr(found, name) if found is not None else pd.DataFrame()
        (report / f"{name}.csv").write_text(table.to_csv(index=False), encoding="utf-8")
    (report / "gate.json").write_text(json.dumps(list(gates)), encoding="utf-8")
    for seed, own in enumerate(norms):
        write_table(profile_rows(own), folder / f"profile/tiny/seed{seed}/2020/profile.parquet", "profile")
    return folder


@pytest.fixture(scope="module")
def told():
    asked = probes(4)
    table = scores(GAINS, 2, asked)
    return findings(runs_of(table, losses(GAINS, 2), asked, scored=steps(table)), ReportConfig())


def test_two_experiments_stand_side_by_side_in_every_table(told, tmp_path):
    folders = [experiment(tmp_path / name, told) for name in ("small", "large")]
    write_across(folders, tmp_path / "out")
    for name in ("summary", "equal_uptake", "transfers", "gate"):
        table = pd.read_csv(tmp_path / "out" / f"{name}.csv")
        assert table["experiment"].value_counts().nunique() == 1, name
        assert set(table["experiment"]) == {"small", "large"}, name
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "small · large" in page
    assert "Pooled over these experiments" in page
    pooled = pd.read_csv(tmp_path / "out" / "pooled.csv")
    assert set(pooled["reference"]) == {"full", "tgl_fp"}


def test_the_same_world_twice_has_the_difference_of_one(told, tmp_path):
    write_across([experiment(tmp_path / name, told) for name in "ab"], tmp_path / "out")
    keys = ["reference", "method", "share"]
    pooled = pd.read_csv(tmp_path / "out" / "pooled.csv").set_index(keys)
    single = told.equal_uptake.set_index(keys)
    assert set(pooled.index) == {
        (*pair, 0.7) for pair in (("full", "tgl_fp"), ("full", "random"), ("tgl_fp", "random"))
    }
    for column in ("difference", "reference_forgetting"):
        assert pooled[column].to_dict() == pytest.approx(single[column][pooled.index].to_dict())


def test_the_page_shows_no_number_that_is_none(told, tmp_path):
    write_across([experiment(tmp_path / "a", told)], tmp_path / "out")
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert ">nan<" not in page


def test_the_same_experiments_give_the_same_bytes(told, tmp_path):
    folders = [experiment(tmp_path / name, told) for name in "ab"]
    for output in ("one", "two"):
        write_across(folders, tmp_path / output)
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()


def test_an_experiment_with_a_single_period_and_no_gates_stands_beside_a_whole_one(told, tmp_path):
    empty = pd.DataFrame()
    short = dataclasses.replace(told, transfers=empty, equal_uptake=empty)
    folders = [experiment(tmp_path / "whole", told), experiment(tmp_path / "short", short, gates=())]
    write_across(folders, tmp_path / "out")
    assert set(pd.read_csv(tmp_path / "out" / "transfers.csv")["experiment"]) == {"whole"}
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "no verdict: has one in 1 of 2 experiments" in page


def test_experiments_without_any_equal_uptake_are_written_all_the_same(told, tmp_path):
    short = dataclasses.replace(told, equal_uptake=pd.DataFrame(), transfers=pd.DataFrame())
    write_across([experiment(tmp_path / name, short) for name in "ab"], tmp_path / "out")
    assert (tmp_path / "out" / "index.html").is_file()


def test_a_gate_that_was_missed_is_shown_beside_its_experiment(told, tmp_path):
    missed = {**GATE, "met": False, "value": math.nan}
    folders = [experiment(tmp_path / "good", told), experiment(tmp_path / "bad", told, gates=[missed])]
    write_across(folders, tmp_path / "out")
    gates = pd.read_csv(tmp_path / "out" / "gate.csv").set_index("experiment")["met"]
    assert gates.to_dict() == {"good": True, "bad": False}
    assert '"missed"' in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")


def test_an_experiment_without_a_report_is_refused_by_name(told, tmp_path):
    folders = [experiment(tmp_path / "done", told), tmp_path / "unfinished"]
    with pytest.raises(TglError, match=r"unfinished: found no report.*Run this experiment first"):
        write_across(folders, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_experiment_without_a_profile_is_refused_by_name(told, tmp_path):
    with pytest.raises(TglError, match="bare: found no profile"):
        write_across([experiment(tmp_path / "bare", told, norms=())], tmp_path / "out")


def test_profiles_of_two_models_in_one_folder_are_refused(told, tmp_path):
    folder = experiment(tmp_path / "a", told)
    write_table(profile_rows(NORMS), folder / "profile/other/seed0/2020/profile.parquet", "profile")
    with pytest.raises(
        TglError, match=r"found several profiles of one seed .*/other/seed0/.*expected those of one model"
    ):
        write_across([folder], tmp_path / "out")


def test_two_experiments_of_one_name_are_refused_and_not_mixed(told, tmp_path):
    folders = [experiment(tmp_path / parent / "quick", told) for parent in ("one", "two")]
    with pytest.raises(TglError, match="two experiments are called 'quick'"):
        write_across(folders, tmp_path / "out")


def test_the_profile_is_that_of_updated_facts_under_trained_weights_by_denominator(tmp_path):
    rows = profile_rows(NORMS) + profile_rows({"all": 9.0, "embedding": 9.0})
    rows += profile_rows(dict.fromkeys(NORMS, 7.0), weights="random")
    rows += profile_rows(dict.fromkeys(NORMS, 7.0), group="new_entity")
    rows += profile_rows(dict.fromkeys(NORMS, 5.0), denominator="unchanged")
    write_table(rows, tmp_path / "profile/tiny/seed0/2020/profile.parquet", "profile")
    found = base_profiles(tmp_path)
    assert found["window"].loc["seed0"].to_dict() == NORMS
    assert found["unchanged"].loc["seed0"].tolist() == [5.0] * 4


def profiles(*seeds, names="abcd"):
    return {"window": pd.DataFrame(seeds, columns=list(names))}


def test_profiles_that_rank_alike_carry_over_and_reversed_ones_do_not():
    found = carried_over(
        {"small": profiles((1, 2, 3, 4), (10, 20, 30, 40)), "large": profiles((4, 3, 2, 1), (8, 6, 4, 2))}
    ).set_index(["left", "right"])
    assert found["correlation"].to_dict() == pytest.approx(
        {("small", "small"): 1.0, ("small", "large"): -1.0, ("large", "large"): 1.0}
    )
    assert found["pairs"].to_dict() == {("small", "small"): 1, ("small", "large"): 4, ("large", "large"): 1}


def test_a_single_seed_is_not_compared_with_itself():
    assert carried_over({"small": profiles((1, 2, 3, 4))}).empty


def test_models_with_other_sublayers_are_left_out():
    found = carried_over({"small": profiles((1, 2, 3, 4)), "gru": profiles((1, 2, 3, 4), names="wxyz")})
    assert found.empty
    assert list(found.columns) == ["left", "right", "denominator", "correlation", "pairs"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("gate.json", '{"name": 1}', "holds dict, expected a list"),
        ("gate.json", '[{"name": "a", "value": 1}]', "expected the keys"),
        ("gate.json", '[{"name": "a", "value": "x", "limit": 1, "met": true}]', "of the wrong type"),
        ("summary.csv", "a,b\n1,2\n", "has no column 'set', expected"),
        ("summary.csv", 'a,b\n"1', "not a readable CSV table"),
        ("equal_uptake.csv", b"\xff\xfe", "not a readable CSV table"),
        ("transfers.csv", None, "no such file; expected the table transfers of a report"),
    ],
)
def test_a_report_whose_files_are_of_another_form_is_refused_and_nothing_is_written(
    told, tmp_path, name, content, words
):
    folder = experiment(tmp_path / "a", told)
    path = folder / "report" / name
    path.unlink()
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(TglError, match=words) as caught:
        write_across([folder], tmp_path / "out")
    assert str(caught.value).startswith(str(path))
    assert not (tmp_path / "out").exists()


def test_what_files_say_is_text_in_the_page_and_no_formula_in_the_tables(told, tmp_path):
    hostile = '=HYPERLINK("x")<script>alert(1)</script>'
    folder = experiment(tmp_path / "a<b", told, gates=[GATE | {"name": hostile}])
    write_across([folder], tmp_path / "out")
    page = (tmp_path / "out/index.html").read_text()
    assert "<script>" not in page  # it has no script of its own
    assert "a<b" not in page
    assert pd.read_csv(tmp_path / "out/gate.csv")["name"].tolist() == ["'" + hostile]
