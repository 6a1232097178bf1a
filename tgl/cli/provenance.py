"""Subcommands on finished results: verify, explain."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tgl.cli.app import command, say


@command("verify")
def verify(results: Annotated[Path, typer.Argument(help="An experiment's folder of results.")]) -> None:
    """Read every artifact again and compare it, and what it was made from, with the manifest."""
    from tgl.provenance.verify import verify

    found = verify(results)
    for problem in found.problems:
        say(str(problem))
    say(str(found))
    if found.num_errors:
        raise typer.Exit(1)


@command("explain")
def explain(artifact: Annotated[Path, typer.Argument(help="A file in an experiment's folder.")]) -> None:
    """Say how an artifact came about: rule, configuration, code, versions, cost, and the chain of its inputs."""
    from tgl.provenance.explain import explain

    say(explain(artifact))
