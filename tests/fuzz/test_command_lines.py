"""Every subcommand with options and values of any kind: an exit code of 0, 1 or 2, and never a traceback.

Nothing is there that a stage could work on, so that no real work begins.
"""

import os
import socket
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from tests.fuzz.cases import cases, in_time
from tgl.cli import app, launch
from tgl.cli.app import GROUPS, load

COMMANDS = {name: load(name) for commands in GROUPS.values() for name, _, _ in commands}
# What is written: in the folder of the cases, or where nothing can be.
OUTPUTS = ("out", "made/out", "junk", "junk/under", "empty/under", ".", "/dev/null/under", "o" * 300)
WRITTEN = {
    "output",
    "state",
    "models",
    "tables",
    "steps",
    "scores",
    "lm_loss",
    "examples",
    "hub_layout",
    "folder",
}
INPUTS = (
    "gone",
    "gone/under",
    "junk",
    "empty",
    "folder",
    "folder/config.json",
    "/dev/null",
    "p" * 300,
    "-",
    "*",
)
# As a shell gives them: bytes that are no UTF-8, but none that is zero.
words = st.text(
    st.characters(exclude_characters="\0", codec="utf-8") | st.sampled_from("\udc80\udcff"), max_size=8
)
odd_numbers = ("0", "-1", "1", "2", "007", "1e9", "nan", "inf", "-0.0", "1e-400", "9" * 400, "0x1", "", " 1")
configs = st.sampled_from(
    ["{", "[]", "null", '{"gone": 1}', '{"pages": -1}', '{"pages": 2}', '{"steps": 0}', '{"seed": 1e999}', "[" * 3000]
)  # fmt: skip
dates = st.sampled_from(["20190101", "20200101", "20190230", "2019-01-01", "00000000", "-", "99999999"])


def values(parameter):
    """Return values for a parameter: of its kind, near it, and anything."""
    name = parameter.name
    if name in WRITTEN:
        return st.sampled_from(OUTPUTS)
    if "config" in name:
        return configs
    if name in ("date", "dates", "period"):
        return dates | words
    if name == "learning_rate" or isinstance(parameter.default, int | float):
        return st.sampled_from(odd_numbers) | st.integers(-3, 9).map(str) | words
    named = st.sampled_from(("a=gone", "=", "1=junk", "1=1=1", "20190101=empty"))
    return st.sampled_from(INPUTS) | named | words


@st.composite
def command_lines(draw):
    """Return the arguments of a subcommand: most of what it wants, sometimes twice, out of order or unknown."""
    name = draw(st.sampled_from(sorted(COMMANDS)))
    found = []
    for parameter in COMMANDS[name].params:
        if parameter.name == "help":
            continue
        # The world is the one thing that needs no input; of default size it takes a second.
        needed = parameter.required or (name, parameter.name) == ("world", "config")
        if not draw(st.integers(0, 19)) or not (needed or draw(st.booleans())):
            continue
        for _ in range(draw(st.sampled_from([1, 1, 1, 2]))):
            value = draw(values(parameter))
            option = draw(st.sampled_from(parameter.opts)) if parameter.param_type_name == "option" else None
            if getattr(parameter, "is_flag", False):
                found.append([option])
            else:
                found.append([value] if option is None else [option, value])
    found += draw(st.lists(st.sampled_from([["--gone"], ["--"], ["-x"], ["--help"], ["more"]]), max_size=1))
    return [name, *chain.from_iterable(draw(st.permutations(found)))]


@pytest.fixture(scope="module")
def place(folder):
    """The working directory of the cases, without network and without other programs."""
    place = folder / "commands"
    (place / "folder").mkdir(parents=True)
    (place / "junk").write_bytes(b"\x80junk\n")
    (place / "empty").touch()
    (place / "folder" / "config.json").write_text("{}")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        patch.setattr(socket.socket, "connect", refuse)
        patch.setattr(launch, "start", lambda *processes: None)
        yield place


def refuse(*address):
    raise ConnectionRefusedError("no network in tests")


@cases(0.03)
@given(command_lines())
def test_a_command_line_ends_with_a_code_and_a_message(place, arguments):
    if (place / "junk").is_dir():
        raise AssertionError("an input was overwritten")
    before = set(os.environ)
    with in_time():
        result = CliRunner().invoke(app, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code in (0, 1, 2)
    assert "Traceback" not in result.output
    assert result.exit_code == 0 or result.output.strip(), "a failure without a word"
    assert set(os.environ) == before
