"""The application, and what its subcommands share."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import Annotated

import typer

from tgl.errors import Stopped, TglError

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
MergeAdapter = Annotated[
    bool, typer.Option("--merge-adapter", help="MODEL holds a LoRA adapter: merge it into its base model.")
]
Paths = Annotated[list[Path], typer.Argument()]


def command(name: str):
    """Register a subcommand that prints a TglError as its message and exits with 1, or 143 for a stopped run."""

    def register(function):
        @functools.wraps(function)
        def run(*args, **kwargs):
            try:
                function(*args, **kwargs)
            except TglError as error:
                print(f"tgl {name}: {error}", file=sys.stderr)
                raise typer.Exit(143 if isinstance(error, Stopped) else 1) from None

        return app.command(name)(run)

    return register


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
