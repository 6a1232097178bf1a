"""Subcommands run in this process, as plain functions."""

from __future__ import annotations

import re
from pathlib import Path

from typer.testing import CliRunner

from tgl.cli import app
from tgl.cli.app import GROUPS

# The names of all commands.
NAMES = [name for commands in GROUPS.values() for name, _, _ in commands]


def tgl(*arguments: str | Path) -> tuple[int, str, str]:
    """Run a subcommand and return its exit status, what it printed, and what it printed as an error."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


def passes(*arguments: str | Path) -> str:
    """Run a subcommand that must succeed and return what it printed."""
    status, printed, error = tgl(*arguments)
    assert status == 0, error
    return printed


def refused(*arguments: str | Path) -> str:
    """Run a subcommand that must fail with a message and no traceback; return the message."""
    status, _, error = tgl(*arguments)
    assert status == 1, error
    assert error.startswith(f"tgl {arguments[0]}: "), error
    assert "Traceback" not in error
    return error


def shown(*arguments: str | Path) -> str:
    """Run what prints help or a wrong use, and return it as one line without boxes, on a wide terminal."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "250"})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return " ".join(re.sub(r"[│╭╮╰╯─]", " ", done.output).split())
