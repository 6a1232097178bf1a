"""The manifest of real runs: whole, unchanged by a run that does nothing, written after a failure; verify, explain."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workflow.conftest import REPOSITORY, Workflow, copy_of, environment
from tgl.core.files import sha256_file
from tgl.provenance.files import artifact_files
from tgl.provenance.manifest import read_manifest
from tgl.provenance.versions import installed_versions

pytestmark = pytest.mark.workflow

BASE = "models/gpt2-2x16/base/seed0/model.safetensors"
SCORES = "scores/gpt2-2x16/tgl_fp-plain-lr0.003/seed0/scores.parquet"
# Reaches only the report and its gate, which fails: the tiny model knows nothing.
FAILS = ("--config", "gate={binding: true}")


@pytest.fixture
def copied(finished_tiny, tmp_path) -> Workflow:
    return copy_of(finished_tiny, tmp_path / "copy")


def tgl(*arguments, cwd=None, fails: bool = False) -> list[str]:
    """Run a subcommand and return the lines it printed; check that it succeeded, or failed when `fails`."""
    done = subprocess.run(
        [sys.executable, "-m", "tgl", *map(str, arguments)],
        capture_output=True,
        text=True,
        env=environment() | {"PYTHONPATH": str(REPOSITORY)},
        cwd=cwd,
    )
    assert done.returncode == (1 if fails else 0), done.stdout + done.stderr
    return done.stdout.splitlines()


def run_shell(command: str) -> None:
    """Run a command as a user who copies it, anywhere, with the environment of this Python."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, env=environment() | {"PATH": path}, cwd="/"
    )
    assert done.returncode == 0, done.stdout + done.stderr


def dumps_in(folder: Path, dump: Path) -> str:
    """Copy a dump for each of three dates into a folder and return the settings of a workflow that reads them."""
    for date in ("20190101", "20200101", "20210101"):
        (folder / f"{date}.xml.bz2").write_bytes(dump.read_bytes())
    (folder / "none.json").write_text("[]")
    return (
        f"data_root: {folder}\nsnapshots: {{source: local, local: {{pattern: '{{date}}.xml.bz2'}}}}\n"
        "probes: {sets: [templama], templama: {file: none.json, pairs: {'20200101': ['1', '2']}}}\n"
    )


def declared_outputs(workflow: Workflow) -> dict[str, str]:
    """Return every output of the workflow and its rule, as Snakemake lists them."""
    lines = workflow.run("--summary", "--quiet", "host").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("output_file\t"))
    rows = [line.split("\t") for line in lines[start + 1 :] if "\t" in line]
    prefix = f"results/{workflow.results.name}/"
    return {row[0].removeprefix(prefix): row[2] for row in rows}


def test_every_declared_output_is_in_the_manifest_with_all_that_is_said_of_its_job(finished_tiny):
    results = finished_tiny.results
    manifest = read_manifest(results / "manifest.json")
    outputs = {file.path: job.rule for job in manifest.jobs for file in job.outputs}
    assert outputs == declared_outputs(finished_tiny)
    assert {
        "world", "pages", "diff", "probes", "tokenizer", "base", "profile", "plan", "train", "report", "gate"
    } <= set(outputs.values())  # fmt: skip
    assert set(manifest.makers()) == set(artifact_files(results))
    made = {file.path: file for job in manifest.jobs for file in job.files}
    for path, file in made.items():
        assert (file.sha256, file.bytes) == (sha256_file(results / path), (results / path).stat().st_size)
    for job in manifest.jobs:
        assert job.code, job.title
        assert job.seconds > 0
        assert job.command.removeprefix("exec ").startswith(("python -m tgl ", "python -m tgl.jobs "))
        assert manifest.versions[job.versions] == installed_versions()
        assert all(made[read.path].sha256 == read.sha256 for read in job.inputs), job.title
    assert all(job.config for job in manifest.jobs if job.rule not in ("gate",))
    assert any(job.peak_mib for job in manifest.jobs)


def test_every_hash_of_code_among_the_params_has_its_modules(finished_tiny):
    """The manifest finds them by the rules' text; a hash it does not find would be left out silently."""
    (train,) = [
        job
        for job in read_manifest(finished_tiny.results / "manifest.json").jobs
        if job.rule == "train" and job.wildcards["plan"] == "full"
    ]
    assert [code.modules for code in train.code] == [["tgl.train.continual"], ["tgl.train.baselines.plain"]]
    assert train.wildcards == {"plan": "full", "baseline": "plain", "rate": "0.003", "seed": "0"}
    assert train.config["config"]["steps"] == 6
    assert set(train.config) == {
        "config", "token_config", "profile_config", "plan_config", "baseline_config"
    }  # fmt: skip


def test_verify_passes_then_names_a_flipped_byte_and_a_missing_file(copied):
    assert tgl("verify", copied.results)[-1].endswith("; errors: 0, warnings: 0")
    scores = copied.results / SCORES
    content = bytearray(scores.read_bytes())
    content[len(content) // 2] ^= 1
    scores.write_bytes(content)
    (copied.results / "tokens/base.parquet").unlink()
    lines = tgl("verify", copied.results, fails=True)
    assert lines[0].startswith(f"changed: {SCORES} (train ")
    assert lines[1] == "missing: tokens/base.parquet (pack_base) does not exist"
    assert lines[2] == "to make missing and changed files again, run"
    assert " --force -- " in lines[3]
    assert lines[-1].endswith("; errors: 2, warnings: 0")


@pytest.mark.parametrize(
    "broken",
    [
        # Of each way there is: a table and a file that its rule does not declare; a page, a plan, weights, a gate.
        {"probes/probes.parquet": "changed", "report/runs.csv": "missing"},
        {
            "report/index.html": "changed",
            "snapshots/20200101/pages/0.parquet": "missing",
            "plan/gpt2-2x16/seed0/tgl_fp.json": "missing",
            BASE: "changed",
            "report/gate.txt": "missing",
        },
    ],
)
def test_the_command_that_verify_prints_makes_files_again_and_nothing_is_wrong_then(copied, broken):
    for path, how in broken.items():
        if how == "missing":
            (copied.results / path).unlink()
        else:
            (copied.results / path).write_bytes(b"changed")
    lines = tgl("verify", copied.results, fails=True)
    assert {line.split()[1]: line.split(":")[0] for line in lines[: len(broken)]} == broken
    (command,) = [line for line in lines if line.startswith("  ")]
    run_shell(command)
    assert tgl("verify", copied.results)[-1].endswith("; errors: 0, warnings: 0")


def test_stale_files_are_made_again_by_the_command_that_verify_prints(tmp_path, finished_tiny):
    """A dump that was replaced, with an old time: a plain run of the workflow would not see it."""
    dump = next((finished_tiny.results / "snapshots/20190101/dump").glob("*.xml.bz2"))
    settings = dumps_in(tmp_path, dump)
    workflow = Workflow(tmp_path / "run", settings)
    target = "results/quick/snapshots/20190101/pages/0.parquet"
    workflow.run(target)
    source = tmp_path / "20190101.xml.bz2"
    source.write_bytes(
        next((finished_tiny.results / "snapshots/20200101/dump").glob("*.xml.bz2")).read_bytes()
    )
    os.utime(source, (1, 1))
    (command,) = [line for line in tgl("verify", workflow.results, fails=True) if line.startswith("  ")]
    assert command.endswith(" --forcerun results/quick/snapshots/20190101/files.parquet")
    run_shell(f"{command} -- {target}")  # the whole run would train too
    assert not [line for line in tgl("verify", workflow.results) if line.startswith("stale")]


def test_explain_tells_the_chain_from_the_report_and_from_scores_to_the_world(finished_tiny):
    results = finished_tiny.results
    for path in ("report/gate.txt", SCORES):
        text = "\n".join(tgl("explain", results / path))
        chain = text.partition("made from\n")[2]
        for rule in ("world", "pages", "probes", "tokenizer", "base seed=0", "profile seed=0", "plan seed=0"):
            assert f"  {rule}" in chain, (path, rule)
    assert "train plan=tgl_fp baseline=plain rate=0.003 seed=0" in text
    assert "weight_decay=" in text
    assert f"torch {installed_versions()['torch']}" in " ".join(text.split())


def test_runs_that_do_nothing_leave_the_manifest_as_it_is(copied):
    manifest = copied.results / "manifest.json"
    before = (manifest.read_bytes(), manifest.stat().st_mtime_ns)
    copied.run()
    copied.run("--dry-run", "--forceall")
    copied.run("--until", "plan")
    copied.run("--lint")
    assert (manifest.read_bytes(), manifest.stat().st_mtime_ns) == before


def test_touching_all_files_changes_only_their_times(copied):
    manifest = copied.results / "manifest.json"

    def without_times():
        found = json.loads(manifest.read_text())
        for job in found["jobs"]:
            job.pop("finished")
            for file in job["outputs"]:
                file.pop("mtime_ns")
        return found

    before = without_times()
    copied.run("--touch", "--forceall")
    assert without_times() == before
    assert copied.planned() == set()


def test_a_failed_run_records_the_jobs_that_ended_and_the_next_one_the_rest(copied):
    path = copied.results / "manifest.json"
    before = {job.title: job for job in read_manifest(path).jobs}
    copied.run(*FAILS, fails=True)
    after = {job.title: job for job in read_manifest(path).jobs}
    assert after["report"].config["config"]["gate"]["binding"] is True
    assert after["report"] != before["report"]
    assert {title for title in before if after[title] != before[title]} == {"report"}
    lines = tgl("verify", copied.results, fails=True)
    assert lines[0] == "missing: report/gate.txt (gate) does not exist"
    assert lines[-1].endswith("; errors: 1, warnings: 0")
    assert not (copied.results / "state/unfinished-runs.json").exists()
    copied.run()
    assert tgl("verify", copied.results)[-1].endswith("; errors: 0, warnings: 0")


def test_until_records_what_ran_and_keeps_the_rest(copied):
    path = copied.results / "manifest.json"
    before = {job.title: job for job in read_manifest(path).jobs}
    copied.run("--until", "tokenizer", "--forcerun", "tokenizer")
    after = {job.title: job for job in read_manifest(path).jobs}
    assert {title for title in before if after[title] != before[title]} == {"tokenizer"}
    assert set(after) == set(before)


def test_a_process_that_runs_a_single_job_for_another_does_not_write(copied):
    """As the nodes of a cluster do; here even with its hooks on."""
    path = copied.results / "manifest.json"
    before = path.read_bytes()
    gate = copied.results / "report/gate.txt"
    os.utime(gate, (0, 0))
    copied.run("--mode", "remote", "--force", "--nolock", "--", "results/tiny/report/gate.txt")
    assert gate.stat().st_mtime > 0
    assert path.read_bytes() == before


def test_a_manifest_that_cannot_be_written_is_a_warning(copied):
    path = copied.results / "manifest.json"
    path.unlink()
    for folder in (path, path.with_name("manifest.json.damaged")):
        folder.mkdir()
        (folder / "in-the-way").touch()
    output = copied.run("--forcerun", "gate")
    assert "manifest.json was not written: " in output


def test_sources_are_named_by_their_paths(tmp_path, finished_tiny):
    """Dump files in a folder: the files of each date are made from them."""
    dump = next((finished_tiny.results / "snapshots/20190101/dump").glob("*.xml.bz2"))
    settings = dumps_in(tmp_path, dump)
    workflow = Workflow(tmp_path / "run", settings)
    workflow.run("results/quick/snapshots/20190101/pages/0.parquet")
    manifest = read_manifest(workflow.results / "manifest.json")
    assert [job.title for job in manifest.jobs] == [
        "local_files date=20190101",
        "pages date=20190101 shard=0",
    ]
    (source,) = manifest.sources
    assert source.path == str(tmp_path / "20190101.xml.bz2")
    chain = tgl("explain", "results/quick/snapshots/20190101/pages/0.parquet", cwd=workflow.directory)
    assert chain[-1] == f"    {source.path}: source, sha256 {source.sha256}"
    (tmp_path / "20190101.xml.bz2").write_bytes(b"another")
    lines = tgl("verify", workflow.results, fails=True)
    assert lines[0].startswith(
        "stale: snapshots/20190101/files.parquet (local_files date=20190101) was made from "
    )
