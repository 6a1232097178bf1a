"""SIGKILL at random moments: what follows is a run that goes on, and ends with the bytes of an undisturbed one.

`make test-faults` tries 30 moments over the quick preset; test_survival.py has three chosen ones for every day.
"""

import os
import random
import signal
import time

import pytest

from tests.workflow.conftest import Workflow, data_files

KILLS = int(os.environ.get("TGL_KILLS", "0"))
pytestmark = [
    pytest.mark.workflow,
    pytest.mark.skipif(not KILLS, reason="takes a quarter of an hour: make test-faults"),
]


def test_runs_killed_at_random_moments_end_with_the_bytes_of_an_undisturbed_one(tmp_path):
    start = time.monotonic()
    undisturbed = Workflow(tmp_path / "undisturbed")
    undisturbed.run()
    seconds, expected = time.monotonic() - start, data_files(undisturbed.results)
    moments, killed, rounds = random.Random(0), 0, 0
    while killed < KILLS:
        disturbed = Workflow(tmp_path / f"disturbed{rounds}")
        rounds += 1
        # Several kills a run, so that every part of it is hit, and most of them in one that went on before.
        for _ in range(min(10, KILLS - killed)):
            process = disturbed.start()
            end = time.monotonic() + moments.uniform(1, seconds * 0.3)
            while time.monotonic() < end and process.poll() is None:
                time.sleep(0.02)
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                killed += 1
            process.wait()
        disturbed.run()
        found = data_files(disturbed.results)
        assert sorted(found) == sorted(expected)
        assert [name for name in expected if found[name] != expected[name]] == []
    print(f"killed {killed} times in {rounds} runs, all of which ended with the same bytes")
