"""The application, and what its subcommands share."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import traceback
from pathlib import Path
from typing import Annotated, TextIO

import typer

from tgl.errors import Stopped, TglError
from tgl.faults import told
from tgl.terminal import one_line, write

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Traced Gradient Layers: gradient profiles, plans and continual pretraining, with their controls.",
)

Config = Annotated[
    str, typer.Option(help="The stage's part of the configuration, as JSON; omitted keys: defaults.")
]
Seed = Annotated[int, typer.Option(help="Fixes initialisation, data order and draws.")]
Threads = Annotated[int, typer.Option(help="Threads of torch.")]
Processes = Annotated[int, typer.Option(help="Processes a node, started by torchrun; one a GPU.")]
Nodes = Annotated[int, typer.Option(help="Nodes; more than one only inside a SLURM allocation.")]
Paths = Annotated[list[Path], typer.Argument()]


def command(name: str):
    """Register a subcommand whose errors are printed as `tgl NAME: ...`, and give its exit status."""

    def register(function):
        @functools.wraps(function)
        def run(*args, **kwargs):
            try:
                function(*args, **kwargs)
            except (typer.Exit, typer.Abort):
                raise
            except BaseException as error:
                raise typer.Exit(report(name, error)) from None

        return app.command(name)(run)

    return register


def report(name: str, error: BaseException) -> int:
    """Print what ended a subcommand and return the exit status: 1, as a signal's 130 or 143.

    What input or machine caused is one message without a traceback. A fault of the program keeps its traceback.
    """
    if isinstance(error, SystemExit):
        raise error
    if isinstance(error, KeyboardInterrupt):
        _complain(f"tgl {name}: interrupted")
        return 130
    if isinstance(error, TglError):
        _complain(f"tgl {name}: {error}")
        return 143 if isinstance(error, Stopped) else 1
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        # What Python still holds for a reader that is gone, or for a full disk, would be another error at exit.
        _to_nowhere(sys.stdout)
    if (message := told(error)) is not None:
        _complain(f"tgl {name}: {one_line(message)}")
    else:
        _complain("".join(traceback.format_exception(error)).rstrip())
        _complain(
            f"tgl {name}: this is a fault of tgl. Please report it, with the lines above and the command."
        )
    return 1


def _complain(text: str) -> None:
    with contextlib.suppress(OSError, ValueError):  # nobody reads, or the stream is closed
        write(text, sys.stderr)


def _to_nowhere(stream: TextIO) -> None:
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def say(text: str) -> None:
    """Print a line at once, so that logs show how far a stage is; line breaks in it are shown as escapes."""
    write(one_line(text), sys.stdout)


def show(text: str) -> None:
    """Print a text of several lines. What it quotes of files must be without line breaks (`tgl.terminal.one_line`)."""
    write(text, sys.stdout)


def set_up_torch(threads: int) -> None:
    """Fix the number of threads and ask for deterministic kernels."""
    import torch

    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)


def named_paths(pairs: list[str]) -> dict[str, Path]:
    """Return NAME=PATH pairs as a dictionary, in their order; raises TglError for a name that occurs twice."""
    found: dict[str, Path] = {}
    for pair in pairs:
        name, equals, path = pair.partition("=")
        if not (name and equals and path):
            raise TglError(f"'{pair}': NAME=PATH expected, as base=base.parquet")
        if name in found:
            raise TglError(f"'{pair}': the name '{name}' is given twice; expected different names")
        found[name] = Path(path)
    return found
