"""The application, and what its subcommands share."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import sys
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, TextIO

import typer

from tgl.config_types import MOST_SEED
from tgl.errors import Stopped, TglError
from tgl.faults import told
from tgl.interruptions import interruptible
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
Seed = Annotated[int, typer.Option(help="Fixes initialisation, data order and draws.", min=0, max=MOST_SEED)]
Threads = Annotated[int, typer.Option(help="Threads of torch.", min=1, max=1024)]
Processes = Annotated[int, typer.Option(help="Processes a node; one a GPU.", min=1, max=1024)]
Nodes = Annotated[
    int, typer.Option(help="Nodes; more than one only inside a SLURM allocation.", min=1, max=10_000)
]
MergeAdapter = Annotated[
    bool, typer.Option("--merge-adapter", help="MODEL holds a LoRA adapter: merge it into its base model.")
]
Paths = Annotated[list[Path], typer.Argument()]


def command(name: str):
    """Register a subcommand whose errors are printed as `tgl NAME: ...`, and give its exit status (`report`)."""

    def register(function):
        @functools.wraps(function)
        def run(*args, **kwargs):
            try:
                with interruptible():
                    function(*args, **kwargs)
            except (typer.Exit, typer.Abort):
                raise
            except BaseException as error:
                raise typer.Exit(report(name, error, kwargs)) from None

        return app.command(name)(run)

    return register


def report(name: str, error: BaseException, options: Mapping[str, object]) -> int:
    """Print what ended a subcommand and return the exit status.

    What input or machine caused is one message without a traceback; a fault of the program keeps its traceback. The
    status is 1, or 128 + the signal's number where one stopped the run: 143 for SIGTERM, 130 for SIGINT. Of several
    processes the first that fails prints; one that only lost another process prints nothing.
    """
    if isinstance(error, SystemExit):
        raise error
    processes = _processes()
    _flush(sys.stdout)
    if processes and processes.lost_peer(error):
        time.sleep(2)  # for whoever knows why the other process ended
        if processes.first_to_speak():
            cause = one_line(str(error).partition("\n")[0])
            _complain(
                f"tgl {name}: lost the connection to another process ({cause}); the same command tries again"
            )
        return processes.LOST_PEER
    if processes is None or processes.first_to_speak():
        _complain(_message(name, error, options))
    if isinstance(error, KeyboardInterrupt | Stopped):
        return 128 + getattr(error, "number", signal.SIGINT)
    return 1


def _message(name: str, error: BaseException, options: Mapping[str, object]) -> str:
    if isinstance(error, KeyboardInterrupt):
        ended = str(error) or "stopped by SIGINT"
        where = "goes on from the last saved state" if "state" in options else "starts this stage again"
        return f"tgl {name}: {ended}; the same command {where}"
    if isinstance(error, TglError):
        return f"tgl {name}: {error}"
    if (message := told(error)) is not None:
        return f"tgl {name}: {one_line(message)}"
    trace = "".join(traceback.format_exception(error)).rstrip()
    return f"{trace}\ntgl {name}: this is a fault of tgl. Please report it, with the lines above and the command."


def main() -> None:
    """Run the command line; the end of a process that has joined others is `tgl.train.processes.leave`."""
    try:
        app()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except OSError as error:  # help that cannot be printed
        status = report("--help", error, {})
    if processes := _processes():
        processes.leave(status)
    sys.exit(status)


def _processes():
    """Return the module `processes` where this is one of several, or has made a process group; else None."""
    if "RANK" in os.environ:
        from tgl.train import processes

        return processes
    loaded = sys.modules.get("tgl.train.processes")
    return loaded if loaded and loaded.has_group() else None


def _complain(text: str) -> None:
    with contextlib.suppress(OSError, ValueError):  # nobody reads, or the stream is closed
        write(text, sys.stderr)


def _flush(stream: TextIO) -> None:
    """Write what Python still holds. For a reader that is gone, or a full disk, it would be another error at exit."""
    try:
        stream.flush()
    except (OSError, ValueError):
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
