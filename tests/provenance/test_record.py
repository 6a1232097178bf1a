"""What a run adds to the manifest, what it keeps and what it drops."""

import dataclasses
import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.provenance.experiment import Experiment, done, two_jobs, versions_of
from tgl.core.files import sha256_file
from tgl.provenance.record import RUNS, note_run, update_manifest
from tgl.provenance.verify import verify
from tgl.provenance.versions import installed_versions

OLD, NEW = {"torch": "1.0"}, {"torch": "2.0"}


def test_a_record_holds_what_the_job_made_and_read(tmp_path):
    experiment, _ = two_jobs(tmp_path)
    base, plan = experiment.manifest.jobs
    assert [file.path for file in base.outputs] == [
        "models/base/model.safetensors",
        "models/base/config.json",
    ]
    assert plan.outputs[0].sha256 == sha256_file(experiment.folder / "plan/full.json")
    assert plan.outputs[0].bytes == 4
    assert {read.path: read.sha256 for read in plan.inputs} == {
        "models/base/model.safetensors": base.outputs[0].sha256,
        str(tmp_path / "data/list.json"): sha256_file(tmp_path / "data/list.json"),
    }
    assert (plan.seconds, plan.peak_mib, plan.config["config"]["steps"]) == (5.0, 200.0, 4)
    assert [file.path for file in experiment.manifest.sources] == [str(tmp_path / "data/list.json")]


def test_jobs_that_did_not_run_keep_their_versions(tmp_path):
    experiment, (base, plan) = two_jobs(tmp_path)
    experiment.update(base, plan, versions=OLD)
    experiment.write("plan/full.json", "another plan")
    plan = dataclasses.replace(plan, finished=None)
    manifest = experiment.update(*done(base), plan, versions=NEW)
    assert versions_of(manifest, "base") == OLD
    assert versions_of(manifest, "plan") == NEW


def test_nothing_new_changes_no_byte(tmp_path):
    experiment, jobs = two_jobs(tmp_path)
    before = experiment.manifest_text
    time = (experiment.folder / "manifest.json").stat().st_mtime_ns
    experiment.update(*done(*jobs), versions=NEW)
    assert experiment.manifest_text == before
    assert (experiment.folder / "manifest.json").stat().st_mtime_ns == time


def test_a_run_of_some_jobs_keeps_the_records_of_the_others(tmp_path):
    """As with --until, or a target of its own."""
    experiment, (base, _) = two_jobs(tmp_path)
    before = experiment.manifest_text
    experiment.update(*done(base))
    assert experiment.manifest_text == before


def test_a_job_that_failed_keeps_its_last_record_and_a_first_one_has_none(tmp_path):
    experiment, (base, plan) = two_jobs(tmp_path)
    experiment.write("models/base/model.safetensors", "other weights")
    base = experiment.declared("base", list(base.outputs))
    (experiment.folder / "plan/full.json").unlink()
    waiting = dataclasses.replace(plan, state="waiting")
    never = experiment.declared("train", ["scores.parquet"], state="waiting")
    manifest = experiment.update(base, waiting, never)
    assert [job.rule for job in manifest.jobs] == ["base", "plan"]
    assert manifest.jobs[1].inputs[0].sha256 != manifest.jobs[0].outputs[0].sha256
    kinds = [problem.kind for problem in verify(experiment.folder).problems if problem.is_error]
    assert kinds == ["missing"]


def test_files_there_from_before_are_not_recorded_for_a_job_that_waits(tmp_path):
    experiment = Experiment(tmp_path)
    experiment.write("plan.json", "made some other way")
    assert experiment.update(experiment.declared("plan", ["plan.json"], state="waiting")).jobs == []


@pytest.mark.parametrize("made", [True, False])
def test_a_job_that_waits_with_other_outputs_keeps_one_record(tmp_path, made):
    """A rule that was split in two, or whose outputs were deleted before it failed."""
    experiment, (base, plan) = two_jobs(tmp_path)
    if not made:
        for path in base.outputs:
            (experiment.folder / path).unlink()
    split = [dataclasses.replace(base, state="waiting", outputs=[path]) for path in base.outputs]
    manifest = experiment.update(*split, *done(plan))
    assert [(job.rule, len(job.outputs)) for job in manifest.jobs] == [("base", 2), ("plan", 1)]


def test_files_of_a_job_that_was_not_reached_are_stale(tmp_path):
    experiment, (base, plan) = two_jobs(tmp_path)
    experiment.write("models/base/model.safetensors", "other weights")
    experiment.update(
        experiment.declared("base", list(base.outputs)), dataclasses.replace(plan, state="waiting")
    )
    kinds = [problem.kind for problem in verify(experiment.folder).problems if problem.is_error]
    assert kinds == ["stale"]


def test_a_file_changed_by_hand_is_not_taken_for_the_job_s(tmp_path):
    experiment, jobs = two_jobs(tmp_path)
    before = experiment.manifest_text
    experiment.write("plan/full.json", "by hand")
    experiment.update(*done(*jobs))
    assert experiment.manifest_text == before


def test_a_touched_or_copied_file_is_the_same_file(tmp_path):
    experiment, jobs = two_jobs(tmp_path)
    experiment.update(*jobs, versions=OLD)
    os.utime(experiment.folder / "plan/full.json", (1_800_000_000, 1_800_000_000))
    manifest = experiment.update(*done(jobs[0]), *done(jobs[1], finished=1_800_000_000.0), versions=NEW)
    assert versions_of(manifest, "plan") == OLD
    assert manifest.jobs[1].finished == 1_800_000_000


def test_versions_of_a_killed_run_are_those_it_began_with(tmp_path):
    """A run that ended well (base), two that began at 200 (plan) and 300 (profile) and were killed, and this one."""
    experiment = Experiment(tmp_path)
    for path, time in (
        ("base.json", 150),
        ("plan.json", 250),
        ("profile.json", 350),
        ("scores.json", 450),
        ("early.json", 50),
    ):
        experiment.write(path, path)
        os.utime(tmp_path / path, (time, time))
    base = experiment.declared("base", ["base.json"])
    experiment.update(base, versions={"torch": "0.9"})
    runs = [{"began": 200, "versions": OLD}, {"began": 300, "versions": {"torch": "1.5"}}]
    (tmp_path / "state").mkdir()
    (tmp_path / RUNS).write_text(json.dumps(runs))
    manifest = experiment.update(
        *done(base),
        *done(experiment.declared("plan", ["plan.json"])),
        *done(experiment.declared("profile", ["profile.json"])),
        *done(experiment.declared("early", ["early.json"])),  # before anything was recorded
        experiment.declared("score", ["scores.json"]),
        versions=NEW,
    )
    found = {job.rule: manifest.versions.get(job.versions) for job in manifest.jobs}
    assert found == {
        "base": {"torch": "0.9"},
        "plan": OLD,
        "profile": {"torch": "1.5"},
        "early": None,
        "score": NEW,
    }
    assert not (tmp_path / RUNS).exists()


def test_runs_are_noted_one_after_another(tmp_path):
    note_run(tmp_path, OLD, print)
    note_run(tmp_path, None, print)
    runs = json.loads((tmp_path / RUNS).read_text())
    assert [run["versions"] for run in runs] == [OLD, None]
    assert runs[0]["began"] <= runs[1]["began"]


def test_job_made_by_other_parameters_is_not_recorded_as_declared(tmp_path):
    """With --rerun-triggers mtime a job stays although its parameters changed."""
    experiment, (base, plan) = two_jobs(tmp_path)
    changed = dataclasses.replace(plan, state="unsure", config={"config": {"steps": 5}}, finished=1.0)
    experiment.update(*done(base), changed)
    assert experiment.manifest.jobs[1].config == plan.config
    (experiment.folder / "manifest.json").unlink()
    manifest = experiment.update(*done(base), changed)
    assert [job.rule for job in manifest.jobs] == ["base"]


def test_gone_files_that_nothing_declares_are_dropped_and_named(tmp_path):
    experiment, (base, _) = two_jobs(tmp_path)
    (experiment.folder / "plan/full.json").unlink()
    manifest = experiment.update(*done(base))
    assert [job.rule for job in manifest.jobs] == ["base"]
    assert manifest.sources == []
    assert any("dropped plan/full.json" in line for line in experiment.said)


def test_gone_files_that_are_declared_stay_and_are_missing(tmp_path):
    experiment, jobs = two_jobs(tmp_path)
    (experiment.folder / "plan/full.json").unlink()
    experiment.update(*done(*jobs))
    assert [problem.kind for problem in verify(experiment.folder).problems if problem.is_error] == ["missing"]


def test_a_job_with_fewer_outputs_leaves_the_rest_to_its_old_record(tmp_path):
    """As when a period is taken out of the configuration: the model of that period stays."""
    experiment, (base, _) = two_jobs(tmp_path)
    experiment.write("models/base/model.safetensors", "fewer")
    fewer = experiment.declared("base", ["models/base/model.safetensors"], config={"config": {"steps": 9}})
    manifest = experiment.update(fewer)
    makers = manifest.makers()
    assert makers["models/base/model.safetensors"].config == {"config": {"steps": 9}}
    assert makers["models/base/config.json"].config == base.config


def test_a_damaged_manifest_is_set_aside_and_begun_anew(tmp_path):
    experiment, jobs = two_jobs(tmp_path)
    (experiment.folder / "manifest.json").write_text("{")
    manifest = experiment.update(*done(*jobs))
    assert [job.rule for job in manifest.jobs] == ["base", "plan"]
    assert [job.versions for job in manifest.jobs] == [None, None]
    assert (experiment.folder / "manifest.json.damaged").read_text() == "{"
    assert any("not valid JSON" in line for line in experiment.said)


PARENTS = {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"], "e": ["d"]}


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.lists(st.sets(st.sampled_from(sorted(PARENTS))), max_size=4), st.sampled_from([*PARENTS, None]))
def test_verify_names_just_the_jobs_that_read_other_files_than_there_are_now(tmp_path_factory, runs, damaged):
    """Five jobs, each run of any of them alone; what each read is kept next to the manifest and compared with it."""
    experiment = Experiment(tmp_path_factory.mktemp("runs"))
    read: dict[str, dict[str, str]] = {}
    jobs = {}
    for number, names in enumerate([set(PARENTS), *runs]):
        for name in sorted(names):  # parents come first in the alphabet
            read[name] = {parent: (experiment.folder / parent).read_text() for parent in PARENTS[name]}
            experiment.write(name, f"{name} of run {number}")
        jobs |= {
            name: experiment.declared(name, [name], [experiment.folder / parent for parent in PARENTS[name]])
            for name in names
        }
        experiment.update(*[job for name, job in jobs.items() if name in names],
                          *done(*[job for name, job in jobs.items() if name not in names]))  # fmt: skip
    if damaged is not None:
        experiment.write(damaged, "by hand")
        if len(runs) % 2:  # a run after it changes nothing
            experiment.update(*done(*jobs.values()))
    now = {name: (experiment.folder / name).read_text() for name in PARENTS}
    last = {name: max([0, *(n for n, names in enumerate(runs, 1) if name in names)]) for name in PARENTS}
    made = {name: f"{name} of run {number}" for name, number in last.items()}
    expected = {("changed", damaged)} if damaged else set()
    expected |= {
        ("stale", name)
        for name, inputs in read.items()
        for parent, text in inputs.items()
        if text not in (now[parent], made[parent])
    }
    found = {(problem.kind, problem.text[0]) for problem in verify(experiment.folder).problems}
    assert found == expected


@pytest.mark.parametrize("path", ["scores/a.parquet", "a b/ü.json"])
def test_outputs_that_never_came_are_not_recorded(tmp_path, path):
    experiment = Experiment(tmp_path)
    assert experiment.update(experiment.declared("score", [path])).jobs == []
    experiment.write(path, "x")
    assert [job.rule for job in experiment.update(experiment.declared("score", [path])).jobs] == ["score"]


def test_a_run_with_targets_of_its_own_drops_nothing(tmp_path):
    """It declares only what its targets need: a file it does not name is missing, and verify has to find that."""
    experiment, (base, _) = two_jobs(tmp_path)
    (experiment.folder / "plan/full.json").unlink()
    update_manifest(
        experiment.folder, done(base), installed_versions(), say=experiment.said.append, whole=False
    )
    assert [problem.kind for problem in verify(experiment.folder).problems if problem.is_error] == ["missing"]


@pytest.mark.parametrize(
    "content", ["[", "{}", '[{"began": "x"}]', "[1]", '[{"began": 1, "versions": {"a": 1}}]']
)
def test_a_damaged_list_of_unfinished_runs_is_named_and_counts_as_none(tmp_path, content):
    experiment, jobs = two_jobs(tmp_path)
    experiment.write(RUNS, content)
    experiment.update(*done(*jobs))
    assert any(RUNS in line and "versions of unfinished runs" in line for line in experiment.said)
    assert not (experiment.folder / RUNS).exists()
