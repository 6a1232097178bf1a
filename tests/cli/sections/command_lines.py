"""Command lines that take sections of the configuration, and the sections of each command."""

import inspect

from tests.cli.running import NAMES
from tgl.cli.app import load
from tgl.cli.command import COMMANDS
from tgl.cli.sections import Keys

WORLD = ("world", "20190101", "20200101", "--output", "out")
PAGES = ("pages", "files", "--output", "out")
TEXT = ("base-text", "lines", "--output", "out")
PACK = ("pack", "t", "--kind", "pages", "--tokenizer", "t", "--output", "out")
DOWNLOAD = ("download", "20200101", "--folder", "dumps", "--output", "out")
BASE = ("base", "--tokenizer", "t", "--tokens", "t", "--output", "o", "--steps", "s", "--state", "s")
TRAIN = (
    "train", "m", "--base-tokens", "b", "--tokens", "20200101=t", "--probes", "p", "--profile", "p", "--plan", "p",
    "--models", "m", "--tables", "t", "--state", "s", "--learning-rate", "0.1",
)  # fmt: skip


def work_of(name):
    """Return the function of a command, whose parameters are the sections."""
    load(name)
    function = COMMANDS[name]
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    return function


def sections_of(name):
    """Return (class, keys) of each section that a command takes."""
    parameters = inspect.signature(work_of(name), eval_str=True).parameters
    annotations = [parameter.annotation for parameter in parameters.values()]
    marks = [(one.__origin__, mark) for one in annotations for mark in getattr(one, "__metadata__", ())]
    return [(kind, mark) for kind, mark in marks if isinstance(mark, Keys)]


TAKING = [name for name in NAMES if sections_of(name)]
