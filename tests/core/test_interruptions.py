"""Signals to a command of one process, in programs of their own."""

import signal
import subprocess
import sys

import pytest

from tests.cli.processes import hear_sigint
from tests.workflow.conftest import REPOSITORY, environment

# A stage without a state that takes long; `ready` is printed when it is at work.
STAGE = """
import time
from tgl.cli import main
from tgl.cli.app import _MODULES
from tgl.cli.command import command, say

_MODULES["stage"] = "command"

@command("stage")
def stage({options}):
    {work}

main()
"""
SLOW = "say('ready'); time.sleep(60)"
# Such as a library that takes its time to let go.
STUBBORN = """try:
        say("ready")
        time.sleep(60)
    finally:
        say("letting go")
        time.sleep(60)"""


def started(work=SLOW, options="", listen=hear_sigint):
    process = subprocess.Popen(
        [sys.executable, "-c", STAGE.format(work=work, options=options), "stage"],
        cwd=REPOSITORY, env=environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=listen,
    )  # fmt: skip
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize(
    ("options", "how"),
    [
        ("", "the same command starts this stage again"),
        ("state: str = ''", "the same command goes on from the last saved state"),
    ],
)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_stage_with_one_line_and_its_status(number, options, how):
    process = started(options=options)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (
        128 + number,
        "",
        f"tgl stage: stopped by {number.name}; {how}\n",
    )


def test_a_second_ctrl_c_ends_at_once():
    process = started(STUBBORN)
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "letting go\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (130, "stopped at once by a second SIGINT\n")


def test_a_second_sigterm_is_the_first_one_again():
    process = started(STUBBORN.replace("time.sleep(60)", "time.sleep(3)"))
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == "letting go\n"
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143
    assert len(err.splitlines()) == 1


def test_an_ignored_sigint_stays_ignored():
    """As in a shell's background job, which Ctrl-C in the terminal must not reach."""
    process = started(SLOW.replace("60", "2"), listen=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == 0
