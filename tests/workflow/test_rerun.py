"""A second run does nothing; a changed key or input file reruns just what depends on it. Code: test_what_reruns.py."""

import re
import shutil

import pytest

from tests.workflow.conftest import TINY, Workflow

pytestmark = pytest.mark.workflow

AFTER_TRAINING = {"report", "gate"}
AFTER_PLAN = {
    "train",
    "agree",
    *AFTER_TRAINING,
}  # the movement that `agree` compares with is that of training


def test_second_run_does_nothing(finished_tiny):
    assert finished_tiny.planned() == set()


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"train": {"weight_decay": 0.02}}, AFTER_PLAN),
        ({"gate": {"base_ranking": 0.5}}, AFTER_TRAINING),
        ({"plan": {"embedding": "trained"}}, {"plan", *AFTER_PLAN}),
        ({"baselines": {"ewc": {"strength": 2}}}, AFTER_TRAINING),  # no method here is put on it
        ({"agree": {"noise_draws": 2}}, {"agree", *AFTER_TRAINING}),
        ({"profile": {"bootstrap": 101}}, {"profile", "along", "plan", *AFTER_PLAN}),
        ({"train": {"checkpoint_steps": 1}}, AFTER_TRAINING),  # the report shows all settings
        ({"profile": {"periods": "each"}}, AFTER_PLAN),  # the base model's own profile stays as it is
        ({"probes": {"seed": 1}}, {"probes", "score_base", "profile", "along", "plan", *AFTER_PLAN}),
        (
            {"tokens": {"block_size": 32}},
            {"pack_base", "pack_period", "base", "score_base", "profile", "along", "plan", *AFTER_PLAN},
        ),
    ],
)
def test_changed_key_reruns_what_depends_on_it(finished_tiny, settings, expected):
    key, section = next(iter(settings.items()))
    name, value = next(iter(section.items()))
    assert finished_tiny.planned("--config", f"{key}={{{name}: {value}}}") == expected


def test_a_changed_key_is_reported_in_short_lines(finished_tiny):
    output = finished_tiny.run("--dry-run", "--config", "gate={base_ranking: 0.5}")
    (line,) = {line for line in output.splitlines() if "Params have changed" in line}
    assert re.search(r"before: settings \w{12} now: settings \w{12} $", line)
    assert "base_ranking" not in output.replace("--config gate={base_ranking: 0.5}", "")


def test_learning_rates_that_hardly_differ_have_jobs_of_their_own(finished_tiny):
    rates = "train={learning_rates: [0.003, 0.0030000001]}"
    output = finished_tiny.run("--dry-run", "--printshellcmds", "--config", rates)
    assert "lr0.0030000001/" in output
    assert "--learning-rate 0.0030000001 " in output
    assert "--learning-rate 0.003 " not in output  # done before


def test_new_learning_rate_trains_only_that_rate(finished_tiny):
    output = finished_tiny.run("--dry-run", "--config", "train={learning_rates: [0.003, 0.004]}")
    assert "lr0.004" in output
    assert "Continual pretraining by full on plain at 0.004" in output
    assert "Continual pretraining by full on plain at 0.003" not in output


def test_new_method_makes_and_trains_only_its_own_plan(finished_tiny):
    methods = "methods=[full, tgl_fp, tgl_alr, random, inverse, tgl_fp.top25, tgl_fp+replay]"
    output = finished_tiny.run("--dry-run", "--config", methods)
    assert re.findall(r"Making the plan ([\w.]+)", output) == ["tgl_fp.top25"]
    trained = sorted(set(re.findall(r"Continual pretraining by ([\w.]+ on \w+)", output)))
    assert trained == ["tgl_fp on replay", "tgl_fp.top25 on plain"]


def test_changed_dump_reruns_what_depends_on_it(finished_tiny, tmp_path):
    """Three dates as files in a folder; another file for the last one."""
    for date in ("20190101", "20200101", "20210101"):
        dump = next((finished_tiny.results / "snapshots" / date / "dump").glob("*.xml.bz2"))
        shutil.copy(dump, tmp_path / f"{date}.xml.bz2")
    settings = (
        f"data_root: {tmp_path}\nsnapshots: {{source: local, local: {{pattern: '{{date}}.xml.bz2'}}}}\n"
        "probes: {sets: [templama], templama: {file: none.json, pairs: {'20200101': ['1', '2']}}}\n"
    )
    workflow = Workflow(tmp_path / "run", settings)
    targets = [f"results/quick/diff/{pair}/0.parquet" for pair in ("20190101_20200101", "20200101_20210101")]
    workflow.run(*targets)
    assert workflow.planned(*targets) == set()
    shutil.copy(tmp_path / "20200101.xml.bz2", tmp_path / "20210101.xml.bz2")
    output = workflow.run("--dry-run", *targets)
    assert "Listing the dump files of 20210101" in output
    assert "Listing the dump files of 20200101" not in output
    assert "Comparing 20200101 with 20210101" in output
    assert "Comparing 20190101 with 20200101" not in output


def test_bad_configuration_stops_before_any_job(tmp_path):
    workflow = Workflow(tmp_path, TINY)
    output = workflow.run("--config", "trian={steps: 1}", "seeds=[]", fails=True)
    assert "trian: unknown key (did you mean 'train'?)" in output
    assert "seeds:" in output
    assert not (tmp_path / "results").exists()


def test_missing_local_dumps_name_the_key(tmp_path):
    workflow = Workflow(tmp_path, "data_root: nowhere", preset="enwiki-fragments")
    output = workflow.run("--dry-run", fails=True)
    assert "no file matches 'nowhere/dumps/enwiki-dated/2019-10-09.xml.bz2'" in output
    assert "data_root" in output
