"""The application, and what its subcommands share."""

from __future__ import annotations

import functools
import os
import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer

from tgl.config_types import MOST_SEED
from tgl.errors import Stopped, TglError
from tgl.interruptions import Interrupted, interruptible

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
    """Register a subcommand that prints a TglError as its message.

    Exit status: 1, or 128 + the signal's number where one stopped the run: 143 for SIGTERM, 130 for SIGINT. Of
    several processes the first that fails prints its message, or its traceback.
    """

    def register(function):
        @functools.wraps(function)
        def run(*args, **kwargs):
            try:
                with interruptible():
                    function(*args, **kwargs)
            except (TglError, Interrupted) as error:
                if _speaks():
                    more = f"; {_how_to_go_on(kwargs)}" if isinstance(error, Interrupted) else ""
                    print(f"tgl {name}: {error}{more}", file=sys.stderr)
                number = error.number if isinstance(error, Stopped | Interrupted) else None
                raise typer.Exit(1 if number is None else 128 + number) from None

        return app.command(name)(run)

    return register


def _how_to_go_on(options: dict) -> str:
    if "state" in options:
        return "the same command goes on from the last saved state"
    return "the same command starts this stage again"


def main() -> None:
    """Run the command line; the end of a process that has joined others is `tgl.train.processes.leave`."""
    try:
        app()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except Exception as error:
        processes = _processes()
        if processes is None:
            raise
        if processes.lost_peer(error):
            status = processes.LOST_PEER
        else:
            if processes.first_to_speak():
                traceback.print_exception(error)
            status = 1
    if processes := _processes():
        processes.leave(status)
    sys.exit(status)


def _speaks() -> bool:
    processes = _processes()
    return processes is None or processes.first_to_speak()


def _processes():
    """Return the module `processes` where this is one of several, or has made a process group; else None."""
    if "RANK" in os.environ:
        from tgl.train import processes

        return processes
    loaded = sys.modules.get("tgl.train.processes")
    return loaded if loaded and loaded.has_group() else None


def say(text: str) -> None:
    """Print a line at once, so that logs show how far a stage is."""
    print(text, flush=True)


def set_up_torch(threads: int) -> None:
    """Fix the number of threads and ask for deterministic kernels."""
    import torch

    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)


def named_paths(pairs: list[str]) -> dict[str, Path]:
    """Return NAME=PATH pairs as a dictionary, in their order."""
    found = {}
    for pair in pairs:
        name, equals, path = pair.partition("=")
        if not equals:
            raise TglError(f"'{pair}': NAME=PATH expected")
        found[name] = Path(path)
    return found
