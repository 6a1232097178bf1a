"""Subcommands on results: report, gate, across, verify, explain, export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tgl import config as sections
from tgl.cli.app import Config, command, say, show
from tgl.cli.inputs import Checked
from tgl.config_check import load_section


@command("report")
def report(
    results: Annotated[Path, typer.Argument(help="The experiment's folder of results.")],
    output: Annotated[Path, typer.Option(help="Folder of the report.")],
    config: Config,
) -> None:
    """Write the report: index.html, examples.html, figures, measures.csv, gate.json."""
    settings = load_section(sections.Config, config)
    given = Checked().folder("an experiment's folder of results", results)
    from tgl.report.inputs import inputs_of

    for name, path in inputs_of(results, settings):
        given.table(name, path, rows=False)
    given.output_folder(output)
    from tgl.report.stage import write_report

    write_report(results, settings, output)


@command("gate")
def gate(file: Annotated[Path, typer.Argument(help="gate.json of a report.")], binding: bool = True) -> None:
    """Fail when a gate of the report was missed (with --no-binding: only say so)."""
    from tgl.report.gate import check_gate

    show(check_gate(file, binding))


@command("across")
def across(
    results: Annotated[list[Path], typer.Argument(help="Folders of experiments whose reports are made.")],
    output: Annotated[Path, typer.Option(help="Folder of the comparison.")],
) -> None:
    """Set finished experiments side by side: index.html and CSV tables."""
    Checked().folder("an experiment's folder of results", *results).output_folder(output)
    from tgl.report.across import write_across

    write_across(results, output)
    say(f"comparison: {output / 'index.html'}")


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
