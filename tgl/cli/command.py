"""What the commands share: how they are registered, how they report errors, common options."""

from __future__ import annotations

import contextlib
import copy
import functools
import inspect
import logging
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, TextIO, get_args, get_origin

import typer
from typer.models import ArgumentInfo, ParameterInfo

from tgl.cli.section_options import with_sections
from tgl.core.config_types import MOST_SEED
from tgl.core.errors import Stopped, TglError
from tgl.core.faults import told
from tgl.core.interruptions import interruptible, noted
from tgl.core.terminal import one_line, write

Seed = Annotated[
    int, typer.Option(help="Seed of initialisation, data order and random draws.", min=0, max=MOST_SEED)
]
Threads = Annotated[int, typer.Option(help="Threads of PyTorch.", min=1, max=1024)]
Processes = Annotated[int, typer.Option(help="Processes on each node, one for each GPU.", min=1, max=1024)]
Nodes = Annotated[int, typer.Option(help="Nodes. Several need a SLURM allocation.", min=1, max=10_000)]
MergeAdapter = Annotated[
    bool, typer.Option("--merge-adapter", help="MODEL holds a LoRA adapter: merge it into its base model.")
]
_METAVARS = {Path: "PATH", int: "NUMBER", float: "NUMBER"}
# The commands of the modules that are imported, by name.
COMMANDS: dict[str, Callable] = {}


def command(name: str):
    """Register a subcommand whose errors are printed as `tgl NAME: ...`, and give its exit status (`report`)."""

    def register(original):
        function = with_sections(original)

        @functools.wraps(function)
        def run(*args, **kwargs):
            # A second SIGTERM, which the starting process passes on, must not end this one before its report.
            with noted(lambda number: None):
                try:
                    with interruptible():
                        function(*args, **kwargs)
                except (typer.Exit, typer.Abort):
                    raise
                except BaseException as error:
                    raise typer.Exit(report(name, error, kwargs)) from None

        signature = inspect.signature(function, eval_str=True)
        run.__signature__ = signature.replace(parameters=map(_named, signature.parameters.values()))
        COMMANDS[name] = run
        return run

    return register


def _named(parameter: inspect.Parameter) -> inspect.Parameter:
    """Return a parameter with what the help calls its value, FOLDER or NUMBER, unless it has a name for it."""
    if get_origin(parameter.annotation) is not Annotated:
        return parameter
    kind, *marks = get_args(parameter.annotation)
    kinds = set(_parts(kind))
    for place, mark in enumerate(marks):
        if isinstance(mark, ParameterInfo) and mark.metavar is None:
            marks[place] = mark = copy.copy(mark)  # several commands share some of them
            if isinstance(mark, ArgumentInfo):
                mark.metavar = parameter.name.upper().replace("_", "-")
            elif bool not in kinds:
                mark.metavar = next((name for known, name in _METAVARS.items() if known in kinds), "TEXT")
    return parameter.replace(annotation=Annotated[(kind, *marks)])


def _parts(kind: object) -> Iterator[object]:
    """Yield a type and what it is composed of: `list[Path] | None` of list[Path], Path and None."""
    yield kind
    for part in get_args(kind):
        yield from _parts(part)


def report(name: str, error: BaseException, options: Mapping[str, object]) -> int:
    """Print what ended a subcommand and return the exit status.

    What input or machine caused is one message without a traceback; a fault of the program keeps its traceback. The
    status is 1, or 128 + the signal's number where one stopped the run: 143 for SIGTERM, 130 for SIGINT. Of several
    processes the first that fails prints; one that only lost another process prints nothing.
    """
    if isinstance(error, SystemExit):
        raise error
    processes = processes_of()
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
    return (
        f"{trace}\ntgl {name}: this is a bug in tgl. Please report it, with the lines above and the command."
    )


def processes_of():
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
    """Log a line at once, so that logs show how far a stage is; line breaks in it are shown as escapes."""
    logging.getLogger("tgl").info(one_line(text))


def show(text: str) -> None:
    """Print a result of several lines. Text quoted from files must be without line breaks (`one_line`)."""
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
