"""A worker that is killed from outside, as when memory runs out, changes nothing of what its stage writes."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.workflow.conftest import REPOSITORY, environment
from tests.workflow.processes import below, kill
from tgl.core.tables.read import read_counts, read_table

pytestmark = pytest.mark.workflow
DATE = "20190101"


def tgl(*arguments) -> list[str]:
    return [sys.executable, "-m", "tgl", *map(str, arguments)]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The table `files` of a world that takes some seconds to clean."""
    folder = tmp_path_factory.mktemp("world")
    command = tgl("world", DATE, "--output", folder, "--config", '{"pages": 4000}')
    subprocess.run(command, cwd=REPOSITORY, env=environment(), check=True, capture_output=True)
    return folder / DATE / "files.parquet"


def pages(files, output, kill_after: float = 0.0) -> tuple[int, float, str]:
    """Extract pages; where a time is given, kill both workers at it; return (exit code, seconds, output).

    Seconds count from the moment that both workers are there. The process above them stands still while they are
    killed, so that neither the rest of the pages nor a fresh worker can come between.
    """
    process = subprocess.Popen(
        tgl("pages", files, "--output", output, "--processes", 2), cwd=REPOSITORY, env=environment(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip

    def workers() -> list[int]:
        return [number for number, kind in below(process.pid).items() if kind == "cleaning worker"]

    while len(workers()) < 2:
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.01)
    start = time.monotonic()
    if kill_after:
        time.sleep(kill_after)
        os.kill(process.pid, signal.SIGSTOP)
        killed = [kill(number) for number in workers()]
        os.kill(process.pid, signal.SIGCONT)
        assert killed == [True, True]
    said, _ = process.communicate(timeout=300)
    return process.returncode, time.monotonic() - start, said


def test_pages_are_those_of_an_undisturbed_run_when_cleaning_workers_are_killed(files, tmp_path):
    code, seconds, said = pages(files, tmp_path / "whole")
    assert code == 0, said
    # Early they import their parser, at half time they work.
    for share in (0.05, 0.5):
        output = tmp_path / f"killed-{share}"
        code, _, said = pages(files, output, seconds * share)
        assert code == 0, said
        assert read_counts(output) == read_counts(tmp_path / "whole"), said
        assert read_table(output, "pages").equals(read_table(tmp_path / "whole", "pages"))
        assert output.read_bytes() == (tmp_path / "whole").read_bytes()
