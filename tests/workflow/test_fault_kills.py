"""SIGKILL at random moments: what follows is a run that goes on, and ends with the bytes of an undisturbed one.

`make test-faults` tries 30 over the quick preset: the whole run as when a machine goes down, or one process below it, a
job, a worker that cleans pages, a launcher or one of its trainers, as when memory runs out. test_survival.py and
test_worker_kills.py have chosen ones for every day.
"""

import os
import random
import signal
import time
from collections import Counter

import pytest

from tests.workflow.conftest import Workflow, data_files
from tests.workflow.processes import below, kill

KILLS = int(os.environ.get("TGL_KILLS", "0"))
pytestmark = [
    pytest.mark.workflow,
    pytest.mark.skipif(not KILLS, reason="takes half an hour: make test-faults"),
]
WHOLE = "the whole run"


def kill_some(process, target: str, draw: random.Random, end: float) -> str | None:
    """Kill what a target names at a moment, or up to a minute later when it is there; return what was killed.

    Where the target is not there by then, the whole run is killed; None where the run ended before.
    """
    while time.monotonic() < end and process.poll() is None:
        time.sleep(0.02)
    while process.poll() is None:
        if target == WHOLE or time.monotonic() > end + 60:
            os.killpg(process.pid, signal.SIGKILL)
            return WHOLE
        found = [number for number, kind in below(process.pid).items() if kind == target]
        if found and kill(draw.choice(found)):
            return target
        time.sleep(0.02)
    return None


@pytest.mark.parametrize(
    ("arguments", "targets", "share"),
    [
        ((), [WHOLE, WHOLE, "cleaning worker", "job"], 0.8),
        (("--set-resources", "train:processes=2"), ["launcher", "trainer", "trainer"], 0.2),
    ],
    ids=["one-process", "two-trainers"],
)
def test_runs_killed_at_random_moments_end_with_the_bytes_of_an_undisturbed_one(
    tmp_path, arguments, targets, share
):
    fewer = "methods: [full, tgl_fp]" if arguments else ""
    start = time.monotonic()
    undisturbed = Workflow(tmp_path / "undisturbed", fewer)
    undisturbed.run(*arguments)
    seconds, expected = time.monotonic() - start, data_files(undisturbed.results)
    draw, killed, rounds, wanted = random.Random(0), Counter(), 0, max(1, round(KILLS * share))
    while killed.total() < wanted:
        disturbed = Workflow(tmp_path / f"disturbed{rounds}", fewer)
        rounds += 1
        # Several kills a run, so that every part of it is hit, and most of them in one that went on before.
        for _ in range(min(10, wanted - killed.total())):
            process = disturbed.start(*arguments)
            target = draw.choice(targets)
            end = time.monotonic() + draw.uniform(1, seconds * 0.3)
            if victim := kill_some(process, target, draw, end):
                killed[victim] += 1
            process.wait()  # after a worker's death the run goes on, or ends with an error and is started again
        disturbed.run(*arguments)
        found = data_files(disturbed.results)
        assert sorted(found) == sorted(expected)
        assert [name for name in expected if found[name] != expected[name]] == []
    print(f"killed {dict(killed)} in {rounds} runs, all of which ended with the same bytes")
