"""A peer that is killed gives a row that says so, and the rest of the table stands."""

import contextlib
import json
import os
import re
import sys

import pytest

from benchmarks.figures import cell, figure, over
from benchmarks.processes import Apart, Lost, attempt, cost, in_turns, medians, once
from tests.benchmarks.ways import failing, killed_in_turn, leaving, own_process, steady

KILLED = r"killed by SIGKILL at (\d+) MiB"


def test_each_way_is_made_once_in_a_process_that_is_not_this_one():
    with Apart(own_process) as function:
        assert function() == function() != os.getpid()
    assert once(steady, 7) == 7


def test_a_way_that_is_killed_is_lost_with_its_signal_and_memory():
    with pytest.raises(Lost) as lost:
        once(killed_in_turn, 1)
    assert int(re.fullmatch(KILLED, str(lost.value))[1]) >= 80


def test_a_way_that_fails_or_ends_is_lost_and_says_how():
    with pytest.raises(Lost, match=r"^MemoryError: no room for 4 TB$"):
        once(failing)
    with pytest.raises(Lost, match=r"^exit code 3 at \d+ MiB$"):
        once(leaving)


def test_the_others_are_measured_to_the_end_when_one_is_killed_half_way():
    with contextlib.ExitStack() as stack:
        ways = {
            "fake peer": stack.enter_context(Apart(killed_in_turn, 2)),
            "own": stack.enter_context(Apart(steady, 2.0)),
        }
        found = in_turns(ways, 4)
    assert found["own"] == [2.0] * 4
    middle = medians(found)
    assert middle["own"] == 2.0
    assert re.fullmatch(KILLED, str(middle["fake peer"]))
    assert re.fullmatch(KILLED, cell(middle["fake peer"], "8.3f", "s"))
    assert cell(middle["own"], "8.3f", "s") == "   2.000 s"
    line = json.loads(
        figure("speed", middle["own"], "s", "fake", over(middle["fake peer"], middle["own"]), 1.0, True)
    )
    assert set(line) == {"name", "value", "unit", "peer", "ratio", "goal", "met"}
    assert (line["value"], line["ratio"], line["goal"], line["met"]) == (2.0, None, 1.0, None)
    assert re.fullmatch(rf"fake; no ratio: {KILLED}", line["peer"])


def test_a_command_that_is_killed_is_lost_and_one_that_ends_has_its_cost():
    ended = cost(sys.executable, "-c", "bytearray(90 << 20)")
    assert ended.memory > 90
    killed = "import os, signal; held = bytearray(90 << 20); os.kill(os.getpid(), signal.SIGKILL)"
    lost = attempt(lambda: cost(sys.executable, "-c", killed))
    assert int(re.fullmatch(KILLED, str(lost))[1]) > 90
    with pytest.raises(Lost, match=r"exit code 1 at"):
        cost(sys.executable, "-c", "raise ValueError")


def test_figures_of_what_was_measured_say_whether_their_goal_is_met():
    for ratio, goal, least, met in (
        (1.2, 1.0, True, True),
        (0.9, 1.0, True, False),
        (1.2, 1.0, False, False),
    ):
        assert json.loads(figure("a", 1.23456, "s", "p", ratio, goal, least)) == {
            "name": "a", "value": 1.2346, "unit": "s", "peer": "p", "ratio": ratio, "goal": goal, "met": met,
        }  # fmt: skip
    assert json.loads(figure("a", 1, "s", "p", 1.2, None, True))["met"] is None
