"""Several processes begin and end: every way out leaves one message, one status and no process behind."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.cli.processes import hear_sigint, living
from tests.workflow.conftest import REPOSITORY, environment
from tgl.cli import launch
from tgl.core.errors import TglError

# Starts and ends in a row; `make test-faults` does 50.
STARTS = int(os.environ.get("TGL_STARTS", "2"))


def several(folder, ending, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "tests.cli.several", "several", str(folder), ending, "--state", "x"],
        cwd=REPOSITORY, env=environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True, preexec_fn=hear_sigint, **options,
    )  # fmt: skip


def ended(process, within=120):
    """Return (status, lines of standard output, lines of standard error) when it and its processes have ended."""
    out, err = process.communicate(timeout=within)
    end = time.monotonic() + 10
    while living(process.pid) and time.monotonic() < end:
        time.sleep(0.1)
    assert living(process.pid) == {}
    return process.returncode, out.splitlines(), err.splitlines()


def test_starts_and_ends_in_a_row(tmp_path):
    for number in range(STARTS):
        assert ended(several(tmp_path, "well")) == (0, ["done"], []), f"start {number + 1}"
        (tmp_path / "done").unlink()


def test_a_process_that_aborts_after_the_work_is_done_does_not_undo_it(tmp_path):
    status, out, _ = ended(several(tmp_path, "aborted late"))
    assert (status, out) == (0, ["done"])


@pytest.mark.parametrize(
    ("ending", "message"),
    [
        ("error", "tgl several: the same error in every process"),
        ("error of one", "tgl several: an error of one process"),
    ],
)
def test_one_failure_is_one_message(tmp_path, ending, message):
    assert ended(several(tmp_path, ending)) == (1, [], [message])


def test_a_fault_of_the_program_is_one_traceback(tmp_path):
    status, _, err = ended(several(tmp_path, "exception"))
    assert status == 1
    assert [line for line in err if "ValueError: a fault of the program" in line] == [err[-2]]
    assert err[-1].startswith("tgl several: this is a bug in tgl. Please report it")
    assert sum("Traceback" in line for line in err) == 1


def test_a_killed_process_is_named_and_ends_the_others(tmp_path):
    status, out, (line,) = ended(several(tmp_path, "killed"))
    assert (status, out) == (128 + signal.SIGKILL, [])
    assert line.startswith("tgl: rank 1 (process ")
    assert "was killed by SIGKILL" in line
    assert "the same command goes on from the last saved state" in line


def waiting(folder, ending="waits"):
    process, end = several(folder, ending), time.monotonic() + 120
    while not (folder / "begun").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "never began"
        time.sleep(0.05)
    return process


@pytest.mark.parametrize("to", ["all", "first"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_one_line_and_its_status(tmp_path, number, to):
    """To all: as a terminal does at Ctrl-C; to the first: as `kill` does."""
    process = waiting(tmp_path)
    start = time.monotonic()
    os.killpg(process.pid, number) if to == "all" else process.send_signal(number)
    status, _, lines = ended(process)
    assert status == 128 + number
    assert len(lines) == 1, lines
    (line,) = lines
    assert line.startswith("tgl several: stopped by SIG")
    assert line.endswith("the same command goes on from the last saved state")
    assert time.monotonic() - start < 30


def test_a_signal_passed_on_during_the_report_does_not_lose_it(tmp_path):
    """The starter passes SIGTERM on to processes that had it themselves, and that still have to report it."""
    process = waiting(tmp_path, "reports late")
    os.killpg(process.pid, signal.SIGTERM)
    status, _, lines = ended(process)
    assert status == 128 + signal.SIGTERM
    assert [line.partition(";")[0] for line in lines] == ["tgl several: stopped by SIGTERM"]


def test_processes_whose_starter_was_killed_end_too(tmp_path):
    process = waiting(tmp_path)
    assert len(living(process.pid)) == 3
    process.send_signal(signal.SIGKILL)
    ended(process)


def test_several_nodes_outside_slurm_are_refused(monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(TglError, match="inside a SLURM allocation"):
        launch.start(1, 2)


@pytest.mark.parametrize("size", [None, "2"])
def test_a_rank_that_others_have_set_does_not_make_the_options_silent(monkeypatch, size):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    if size:
        monkeypatch.setenv("WORLD_SIZE", size)
    with pytest.raises(TglError, match="4 processes asked for, and the variables RANK and WORLD_SIZE"):
        launch.start(4, 1)
