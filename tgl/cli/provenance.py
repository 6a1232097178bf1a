"""Subcommands on finished results: verify, explain, export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tgl.cli.app import command, say, show
from tgl.cli.inputs import Checked


@command("verify")
def verify(results: Annotated[Path, typer.Argument(help="An experiment's folder of results.")]) -> None:
    """Read every artifact again and compare it, and what it was made from, with the manifest."""
    Checked().folder("an experiment's folder of results", results)
    from tgl.provenance.verify import verify

    found = verify(results)
    for line in (*found.problems, *found.advice):
        say(str(line))
    say(str(found))
    if found.num_errors:
        raise typer.Exit(1)


@command("explain")
def explain(artifact: Annotated[Path, typer.Argument(help="A file in an experiment's folder.")]) -> None:
    """Say how an artifact came about: rule, configuration, code, versions, cost, and the chain of its inputs."""
    from tgl.provenance.explain import explain

    show(explain(artifact))


@command("export")
def export(
    results: Annotated[Path, typer.Argument(help="An experiment's folder of results.")],
    hub_layout: Annotated[Path, typer.Option(help="Folder that gets a folder for each kind of table.")],
    table: Annotated[
        list[str] | None, typer.Option(help="Only this kind, as pages; may be repeated.")
    ] = None,
) -> None:
    """Copy tables into folders that `datasets.load_dataset` reads, each with a card."""
    Checked().folder("an experiment's folder of results", results).output_folder(hub_layout)
    from tgl.export.hub import export_hub

    export_hub(results, hub_layout, table or (), say)
