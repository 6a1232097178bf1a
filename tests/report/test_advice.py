"""Advice from folders of results, in words and as JSON."""

import dataclasses
import json
from pathlib import Path

import pandas as pd
import pytest

from tests.report.test_replicates import COST, END, RATES, STEPS, config_of, write_experiment, write_run
from tgl.analysis.advice import advise
from tgl.core.errors import TglError
from tgl.core.layout import Layout
from tgl.report import advice
from tgl.report.advice import advice_lines, curves_of, run_seconds, write_advice
from tgl.report.replicates import write_replicates
from tgl.train.methods import method_folder


def with_benchmarks(folder, config, seconds):
    layout = Layout(str(folder), config.model.name)
    for method, rate in config.runs:
        path = Path(layout.path("benchmark", job=f"train/{method_folder(method, rate)}/seed0"))
        path.parent.mkdir(parents=True)
        path.write_text(f"s\th:m:s\tmax_rss\n{seconds}\t0:00:00\t1\n")
    return folder


@pytest.fixture(scope="module")
def replicates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("replicates")
    found = [
        write_experiment(folder / name, saved)
        for name, saved in (("a", 0.1), ("b", 0.11), ("c", 0.12), ("d", 0.105))
    ]
    return [with_benchmarks(each, config_of(), 360.0) for each in found]


def test_the_better_plan_is_recommended_with_its_rate_and_interval(replicates, tmp_path):
    lines = write_advice(replicates, config_of(), budget=None, output=tmp_path / "advice.json")
    assert lines[0] == "compared: forgetting of unchanged facts at 70% of what full learns, 2 methods"
    assert lines[1] == "recommended: last at learning rate 0.2"
    assert "compared with full: forgets -0." in lines[2]
    assert "better, 4 replicates" in lines[2]
    assert lines[3].startswith("plan: last (compared with full: ")
    written = json.loads((tmp_path / "advice.json").read_text())
    assert (written["recommended"], written["method"], written["rate"]) == (True, "last", 0.2)
    assert written["comparisons"][0]["high"] < 0
    assert written["reason"] == ""


def test_one_replicate_gives_no_recommendation_and_says_why(replicates):
    lines = write_advice(replicates[:1], config_of(), budget=None, output=None)
    assert "no recommendation: last compared with full: no verdict: one seed" in lines
    assert "least forgetting on validation probes: last at learning rate 0.2" in lines
    assert any(line.startswith("plan: no recommendation") for line in lines)


def test_the_budget_is_told_in_replicates_from_the_times_of_finished_runs(replicates):
    config = config_of()
    assert run_seconds(replicates[0], config, config.runs) == [360.0] * 6
    lines = write_advice(replicates, config_of(), budget=3.0, output=None)
    # With last, only full is left: 6 runs of 6 minutes are 0.6 hours.
    assert any(
        line.startswith(
            "budget: 3 hours are 5 more replicates of 2 methods (6 runs of 6.0 minutes), so 9 in all"
        )
        for line in lines
    )


def test_the_times_of_methods_that_are_dropped_do_not_count(tmp_path):
    """`first` forgets more than `full`, so it is not run again. Its runs take ten times as long."""
    methods = ("full", "last", "first")
    config = config_of(methods)
    folders = []
    for name, saved in (("a", 0.1), ("b", 0.11), ("c", 0.12)):
        folder = write_experiment(tmp_path / name, saved, methods)
        for rate in RATES:
            steps = {
                step: (0.5 * step, 0.5 * step * (COST[rate] + 0.2 + saved / 10)) for step in (*STEPS, END)
            }
            write_run(folder, "first", rate, steps)
        with_benchmarks(folder, config, 360.0)
        for path in folder.rglob("benchmarks/train/first-*/seed0*"):
            path.write_text("s\th:m:s\tmax_rss\n3600\t0:00:00\t1\n")
        folders.append(folder)
    assert sorted(set(run_seconds(folders[0], config, config.runs))) == [360.0, 3600.0]
    lines = write_advice(folders, config, budget=3.0, output=None)
    assert any("5 more replicates of 2 methods (6 runs of 6.0 minutes)" in line for line in lines)


def test_without_times_nothing_is_said_about_the_budget(tmp_path):
    folder = write_experiment(tmp_path / "a")
    lines = write_advice([folder], config_of(), budget=3.0, output=None)
    assert (
        "budget: found no run times in the folder benchmarks, so the budget cannot be converted to runs"
        in lines
    )


def test_a_share_of_replay_is_recommended_only_over_what_has_run(tmp_path):
    """In this world only `last` saves anything, so `last+replay` is like `full`."""
    methods = ("full", "last", "last+replay.0.25")
    folders = [
        write_experiment(tmp_path / name, saved, methods)
        for name, saved in (("a", 0.1), ("b", 0.11), ("c", 0.12))
    ]
    lines = write_advice(folders, config_of(methods), budget=None, output=None)
    assert "recommended: last at learning rate 0.2" in lines
    assert not any(line.startswith("replay") for line in lines)


def test_a_file_of_curves_gives_the_advice_of_its_experiments(replicates, tmp_path):
    write_replicates(replicates, config_of(), tmp_path)
    lines = write_advice(replicates, config_of(), budget=None, output=None)
    assert write_advice([tmp_path / "curves.csv"], config_of(), budget=None, output=None) == lines
    assert any(line.startswith("recommended: last") for line in lines)


def test_a_file_of_a_chain_has_no_verdict_without_a_step_in_between(replicates, tmp_path):
    """The point before the period is no scored step."""
    write_replicates(replicates, config_of(), tmp_path)
    points = pd.read_csv(tmp_path / "curves.csv")
    points[points["point"].isin((0, 1, points["point"].max()))].to_csv(tmp_path / "curves.csv", index=False)
    chain = config_of(snapshots={"dates": ["20190101", "20200101", "20210101"]})
    lines = write_advice([tmp_path / "curves.csv"], chain, budget=None, output=None)
    assert any("no verdict: no step between start and end was scored" in line for line in lines)


def test_a_file_is_given_alone_and_is_a_table_of_curves(replicates, tmp_path):
    write_replicates(replicates, config_of(), tmp_path)
    with pytest.raises(TglError, match=r"found 2 files and folders, expected one file curves\.csv alone"):
        write_advice([tmp_path / "curves.csv", replicates[0]], config_of(), budget=None, output=None)
    with pytest.raises(TglError, match="found no column replicate, point, to_learn, unchanged"):
        write_advice([tmp_path / "steps.csv"], config_of(), budget=None, output=None)
    (tmp_path / "curves.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TglError, match=r"found no CSV table .*, expected the file curves\.csv of a report"):
        write_advice([tmp_path / "curves.csv"], config_of(), budget=None, output=None)


def test_a_replicate_of_several_seeds_costs_the_runs_of_all(replicates):
    """Of several folders, each is a replicate with all its seeds."""
    config = config_of()
    found = advise(curves_of(replicates, config)[0], reference="full", primary=0.7)
    double = config.model_copy(update={"seeds": [0, 1]})
    lines = list(advice._budget_lines(found, replicates, double, budget=3.0))
    assert lines[0].startswith(
        "budget: 3 hours are 2 more replicates of 2 methods (12 runs of 6.0 minutes), so 6 in"
    )


def test_a_part_whose_sign_changes_with_own_rates_is_not_recommended(replicates):
    found = advise(curves_of(replicates, config_of())[0], reference="full", primary=0.7)
    assert any(line.startswith("plan: last (") for line in advice_lines(found, 0.7))
    turned = dataclasses.replace(found, table=found.table.assign(own_rates_difference=0.1))
    assert any(line.startswith("plan: no recommendation (") for line in advice_lines(turned, 0.7))


def test_a_screen_in_which_nothing_reaches_the_level_names_no_method(tmp_path):
    folders = [write_experiment(tmp_path / name) for name in "ab"]
    for rate in RATES:
        for method in ("full", "last"):
            learned = dict.fromkeys((*STEPS, END), (0.0, 0.0))
            write_run(folders[1], method, rate, learned)
    lines = write_advice(folders, config_of(), budget=None, output=tmp_path / "advice.json")
    assert "no recommendation: no method reaches the level in every replicate, at any rate" in lines
    assert not any("nan" in line for line in lines)
    text = (tmp_path / "advice.json").read_text()
    assert "NaN" not in text
    assert json.loads(text)["rate"] is None
