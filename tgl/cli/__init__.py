"""The command line: one subcommand a stage. Heavy imports happen inside the commands that need them."""

from tgl.cli import data, models, results  # noqa: F401, their subcommands register themselves
from tgl.cli.app import app, main

__all__ = ["app", "main"]
