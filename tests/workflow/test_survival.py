"""A killed run goes on with the same command and ends with the same bytes; two live runs at once are refused."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.workflow.conftest import TINY, Workflow, data_files

pytestmark = pytest.mark.workflow


def wait_for(condition, process: subprocess.Popen, seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, "the run ended before the moment to kill it came"
        assert time.monotonic() < end, "the moment to kill the run never came"
        time.sleep(0.02)


def kill(process: subprocess.Popen) -> None:
    """SIGKILL to Snakemake and all its jobs, as when a machine goes down."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def exists(directory: Path, pattern: str):
    return lambda: any(directory.glob(pattern))


def test_killed_runs_go_on_and_equal_an_undisturbed_one(tmp_path):
    """Also shows that two runs of `quick` give the same bytes in every table, checkpoint, CSV and page."""
    fewer = "methods: [full, tgl_fp]"
    undisturbed = Workflow(tmp_path / "undisturbed", fewer)
    undisturbed.run()

    disturbed = Workflow(tmp_path / "disturbed", fewer)
    quick = disturbed.directory / "results" / "quick"
    moments = [
        (exists(quick, "logs/pages/20200101/0.log"), signal.SIGKILL),  # while pages are extracted
        (exists(quick, "state/*/base/seed0/training/progress.json"), signal.SIGTERM),  # inside pretraining
        # inside the second period
        (exists(quick, "state/*/full-*/seed0/20210101/training/progress.json"), signal.SIGKILL),
    ]
    for moment, number in moments:
        process = disturbed.start()
        wait_for(moment, process)
        os.killpg(process.pid, number)  # Snakemake and all its jobs, as when a machine or a SLURM job ends
        try:
            process.wait(timeout=180)
        except subprocess.TimeoutExpired:
            # Snakemake can wait for ever for a lock that its own signal handler interrupted. Whoever sends SIGTERM then
            # sends SIGKILL, as SLURM does; the jobs have saved their state.
            assert number == signal.SIGTERM
            kill(process)
        if number == signal.SIGTERM:  # Snakemake waits until its jobs have saved their state
            assert "stopped by SIGTERM" in (quick / "logs" / "base" / "seed0.log").read_text()
            continue
        assert any((disturbed.directory / ".snakemake" / "locks").iterdir()), "no stale lock to deal with"
    disturbed.run()

    log = (quick / "logs" / "train" / "full-plain-lr0.003" / "seed0.log").read_text()
    assert "period 20200101: already done" in log
    assert "resumed at step" in log
    expected, found = data_files(undisturbed.results), data_files(disturbed.results)
    assert sorted(expected) == sorted(found)
    assert len(expected) > 60
    different = [name for name in expected if expected[name] != found[name]]
    assert different == []
    assert not list((quick / "state").rglob("*.parquet")), "finished runs leave no state behind"


def test_second_live_run_is_refused(tmp_path):
    workflow = Workflow(tmp_path, TINY)
    process = workflow.start()
    try:
        wait_for(exists(tmp_path, ".snakemake/locks/*"), process)
        wait_for(exists(tmp_path, "results/tiny/logs/**/*.log"), process)  # its jobs have begun
        output = workflow.run(fails=True)
        assert "cannot be locked" in output or "LockException" in output
        assert process.poll() is None
    finally:
        kill(process)


def test_orphaned_job_of_a_killed_run_does_no_harm(tmp_path):
    workflow = Workflow(tmp_path, TINY)
    process = workflow.start()
    base = tmp_path / "results" / "tiny" / "logs" / "base" / "seed0.log"
    wait_for(base.exists, process)
    os.kill(process.pid, signal.SIGKILL)  # Snakemake alone: its job lives on
    process.wait()
    workflow.run("--until", "score_base")
    assert (tmp_path / "results/tiny/scores/gpt2-2x16/base/seed0/scores.parquet").is_file()
