"""`tgl verify`: one line a problem, errors before warnings, the count last."""

import os

import pytest
from typer.testing import CliRunner

from tests.provenance.experiment import Experiment, two_jobs
from tgl.cli import app
from tgl.core.code_hash import code_hash
from tgl.core.errors import TglError
from tgl.core.files import sha256_file
from tgl.provenance.files import relative_to
from tgl.provenance.manifest import Code
from tgl.provenance.record import update_manifest
from tgl.provenance.verify import verify
from tgl.provenance.versions import PACKAGES, installed_versions


def run(*arguments):
    """Return exit status, lines and what was printed as an error."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return done.exit_code, done.stdout.splitlines(), done.stderr


def clean(tmp_path) -> Experiment:
    """Return an experiment that nothing can be said against."""
    experiment, jobs = two_jobs(tmp_path)
    for job in jobs:
        job.code[:] = [Code(modules=["tgl.core.files"], hash=code_hash("tgl.core.files"))]
    experiment.update(*jobs)
    return experiment


def test_an_experiment_as_it_was_made_passes(tmp_path):
    assert run("verify", clean(tmp_path).folder) == (
        0,
        ["verified 3 files of 2 jobs; errors: 0, warnings: 0"],
        "",
    )


def test_files_are_read_again_though_size_and_time_say_nothing(tmp_path):
    experiment = clean(tmp_path)
    path = experiment.folder / "models/base/model.safetensors"
    before = path.stat()
    expected = sha256_file(path)
    path.write_bytes(b"wEights")
    os.utime(path, ns=(before.st_mtime_ns, before.st_mtime_ns))
    status, lines, _ = run("verify", experiment.folder)
    assert status == 1
    assert lines == [
        f"changed: models/base/model.safetensors (base seed=0): sha256 {expected} expected, {sha256_file(path)} "
        "found",
        f"{experiment.folder}: the workflow did not make these results here. Copy them again, or verify them on the "
        "machine that made them.",
        "verified 3 files of 2 jobs; errors: 1, warnings: 0",
    ]


def test_a_missing_file_is_named_and_what_was_made_from_it_is_not(tmp_path):
    experiment = clean(tmp_path)
    (experiment.folder / "models/base/model.safetensors").unlink()
    status, lines, _ = run("verify", experiment.folder)
    assert status == 1
    assert [line for line in lines if line.startswith("missing")] == [
        "missing: models/base/model.safetensors (base seed=0) does not exist"
    ]
    assert lines[-1].endswith("errors: 1, warnings: 0")


def test_a_changed_source_makes_what_read_it_stale_and_a_missing_one_is_a_warning(tmp_path):
    experiment = clean(tmp_path)
    source = tmp_path / "data/list.json"
    source.write_text("[2]")
    (problem,) = verify(experiment.folder).problems
    assert problem.kind == "stale"
    assert problem.is_error
    assert problem.text.startswith(f"plan/full.json (plan) was made from {source} with sha256 ")
    source.unlink()
    (problem,) = verify(experiment.folder).problems
    assert (problem.kind, problem.is_error) == ("source", False)
    assert str(source) in problem.text


def test_unexplained_files_are_warnings_but_for_logs_benchmarks_and_state(tmp_path):
    experiment = clean(tmp_path)
    for path in ("logs/base.log", "benchmarks/base.tsv", "state/base/progress.json", "models/logs/note.txt"):
        experiment.write(path, "x")
    status, lines, _ = run("verify", experiment.folder)
    assert status == 0
    assert lines[:-1] == ["warning, unexplained: models/logs/note.txt: no job of the manifest made it"]


def test_the_command_names_the_workflow_s_folder_its_call_and_a_declared_file_of_each_job(
    tmp_path, monkeypatch
):
    """An undeclared file is made again with the first that its job declares; stale files with what rests on them."""
    experiment = Experiment(tmp_path / "a b" / "results" / "x")
    (tmp_path / "a b" / ".snakemake").mkdir(parents=True)
    experiment.write("report/a.svg", "figure")
    experiment.write("report/index.html", "page")
    source = tmp_path / "list.json"
    source.write_text("[1]")
    experiment.write("plan/full.json", "plan")
    jobs = [
        experiment.declared("report", ["report/index.html"], seconds=60.0),
        experiment.declared("plan", ["plan/full.json"], [source]),
    ]
    call = ["snakemake", "--config", "name=it's"]
    update_manifest(experiment.folder, jobs, installed_versions(), say=print, command=call)
    (experiment.folder / "report/a.svg").unlink()
    source.write_text("[2]")
    found = verify(experiment.folder)
    assert "missing: report/a.svg (report) does not exist" in map(str, found.problems)
    start = f"  cd '{tmp_path}/a b' && snakemake --config 'name=it'\"'\"'s'"
    assert [line for line in found.advice if line.startswith("  ")] == [
        f"{start} --force -- results/x/report/index.html",
        f"{start} --forcerun results/x/plan/full.json",
    ]
    monkeypatch.chdir(tmp_path / "a b")
    assert [line[:12] for line in verify(experiment.folder).advice[1::2]] == ["  snakemake "] * 2


@pytest.mark.parametrize(
    ("module", "now"),
    [("tgl.core.files", code_hash("tgl.core.files")), ("tgl.removed", "gone"), ("gone_package.part", "gone")],
)
def test_other_code_is_a_warning_once_for_each_rule_and_hash(tmp_path, module, now):
    experiment = Experiment(tmp_path)
    jobs = []
    for seed in "012":
        experiment.write(f"plan/{seed}.json", "plan")
        code = [Code(modules=[module], hash="0123456789ab")]
        jobs.append(experiment.declared("plan", [f"plan/{seed}.json"], code=code))
    experiment.update(*jobs)
    (problem,) = verify(tmp_path).problems
    assert (
        str(problem)
        == f"warning, made by other code: 3 jobs of rule plan: {module} was 0123456789ab and is now {now}"
    )


def test_other_versions_are_a_warning_once_for_each_package(tmp_path):
    experiment, jobs = two_jobs(tmp_path)
    installed = installed_versions()
    used = installed | {"torch": "1.0"}
    del used["scipy"]
    experiment.update(*jobs, versions=used)
    texts = [
        problem.text for problem in verify(experiment.folder).problems if problem.kind == "other version"
    ]
    assert texts == [
        f"scipy none was used by 2 jobs, {installed['scipy']} is installed",
        f"torch 1.0 was used by 2 jobs, {installed['torch']} is installed",
    ]


def test_errors_come_before_warnings(tmp_path):
    experiment = Experiment(tmp_path / "x")
    source = tmp_path / "list.json"
    source.write_text("[]")
    for path in ("a", "b"):
        experiment.write(path, path)
    jobs = [experiment.declared("a", ["a"], [source]), experiment.declared("b", ["b"], [tmp_path / "x/a"])]
    experiment.update(*jobs)
    experiment.write("a", "again")
    experiment.update(experiment.declared("a", ["a"], [source]))
    source.unlink()
    assert [problem.kind for problem in verify(experiment.folder).problems] == ["stale", "source"]


def test_a_run_that_goes_on_or_was_killed_is_said(tmp_path):
    experiment = clean(tmp_path)
    experiment.write("state/unfinished-runs.json", "[]")
    (problem,) = verify(experiment.folder).problems
    assert (problem.kind, problem.is_error) == ("unfinished", False)


def test_a_folder_without_a_manifest_is_refused_with_what_to_do(tmp_path):
    status, _, error = run("verify", tmp_path)
    assert status == 1
    assert f"{tmp_path}/manifest.json: no such file" in error
    assert "--forcerun gate" in error


def test_versions_are_those_installed_without_importing_anything():
    import torch

    found = installed_versions()
    assert found["torch"].partition("+")[0] == torch.__version__.partition("+")[0]
    assert set(found) == {"python", *PACKAGES}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("results/x/plan/full.json", "plan/full.json"),
        ("results/y/profile.parquet", "../y/profile.parquet"),
        ("data/list.json", "../../data/list.json"),
        ("/data/list.json", "/data/list.json"),
    ],
)
def test_paths_are_relative_to_the_experiment_but_for_absolute_ones_outside(
    path, expected, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert relative_to("results/x", path) == expected
    assert relative_to("results/x", tmp_path / "results/x/plan/full.json") == "plan/full.json"


def test_a_manifest_without_jobs_verifies_nothing_and_is_refused(tmp_path):
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(TglError, match="has no jobs, so nothing can be verified"):
        verify(tmp_path)
