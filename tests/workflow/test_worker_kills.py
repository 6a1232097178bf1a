"""A worker that is killed from outside, as when memory runs out, changes nothing of what its stage writes."""

import subprocess
import sys
import time

import pytest

from tests.workflow.conftest import REPOSITORY, environment
from tests.workflow.processes import below, kill
from tgl.tables import read_counts, read_table

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


def pages(files, output, num_kills: int) -> tuple[int, str]:
    """Extract pages while workers that clean them are killed; return (exit code, output)."""
    process = subprocess.Popen(
        tgl("pages", files, "--output", output, "--processes", 2), cwd=REPOSITORY, env=environment(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    killed: set[int] = set()
    end = time.monotonic() + 120
    while len(killed) < num_kills and process.poll() is None:
        assert time.monotonic() < end
        workers = [number for number, kind in below(process.pid).items() if kind == "cleaning worker"]
        fresh = sorted(set(workers) - killed)
        # The second one is killed when it works: importing its parser takes it a second.
        time.sleep(0.4)
        if fresh and kill(fresh[-1]):
            killed.add(fresh[-1])
    said, _ = process.communicate(timeout=300)
    assert len(killed) == num_kills, f"the stage ended after {len(killed)} kills:\n{said}"
    return process.returncode, said


def test_pages_are_those_of_an_undisturbed_run_when_cleaning_workers_are_killed(files, tmp_path):
    assert pages(files, tmp_path / "whole", 0)[0] == 0
    code, said = pages(files, tmp_path / "killed", 2)
    assert code == 0, said
    assert read_counts(tmp_path / "killed") == read_counts(tmp_path / "whole"), said
    assert read_table(tmp_path / "killed", "pages").equals(read_table(tmp_path / "whole", "pages"))
    assert (tmp_path / "killed").read_bytes() == (tmp_path / "whole").read_bytes()
