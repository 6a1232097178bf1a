"""Every command: its help, and one good call on small inputs."""

from __future__ import annotations

import re

import pytest

from tests.cli.commands.calls import CALLS
from tests.cli.running import NAMES, passes, shown
from tgl.cli.app import load


@pytest.mark.parametrize("name", NAMES)
def test_the_help_of_a_command_shows_what_it_takes(name):
    printed = shown(name, "--help")
    assert f"Usage: tgl {name} " in printed
    for parameter in load(name).params:
        if getattr(parameter, "hidden", False):
            continue
        shown_as = parameter.opts[0] if parameter.param_type_name == "option" else parameter.metavar
        assert f"{shown_as} " in printed
        assert parameter.help.rstrip().endswith((".", "train"))
        assert " ".join(parameter.help.replace("\\[", "[").split()) in printed
    assert not re.search(r"<(list|str|path|int|float|bool)", printed)  # Python's types


@pytest.mark.parametrize("name", NAMES)
def test_a_good_call(name, place):
    assert name in CALLS, f"tgl {name} has no good call here: add one"
    good = CALLS[name](place)
    printed = passes(name, *good.arguments())
    good.check(printed)
