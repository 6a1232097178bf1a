"""Subcommands on results: report, gate, across, replicates, advise, verify, explain, export, export-lm-eval."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tgl.cli.command import command, say, show
from tgl.cli.inputs import Checked
from tgl.cli.sections import Keys
from tgl.config.root import Config as WholeConfig
from tgl.core.terminal import one_line


@command("report")
def report(
    results: Annotated[Path, typer.Argument(help="Folder of an experiment, such as results/default.")],
    output: Annotated[Path, typer.Option(help="Folder that gets the report.")],
    settings: Annotated[WholeConfig, Keys("", options=())],
) -> None:
    """Write the report: index.html and two more pages, figures, CSV tables, gate.json.

    --config must be the configuration of the experiment.
    """
    given = Checked().folder("an experiment's folder of results", results)
    from tgl.report.inputs import inputs_of

    for name, path in inputs_of(results, settings):
        given.table(name, path, rows=False)
    given.output_folder(output)
    from tgl.report.stage import write_report

    write_report(results, settings, output)


@command("gate")
def gate(
    file: Annotated[Path, typer.Argument(help="The file gate.json of a report.")],
    binding: Annotated[bool, typer.Option(help="Fail if a gate was missed, or only report it.")] = True,
) -> None:
    """Fail if a gate of the report was missed."""
    from tgl.report.gate import check_gate

    show(check_gate(file, binding))


@command("across")
def across(
    results: Annotated[list[Path], typer.Argument(help="Folders of experiments that have a report.")],
    output: Annotated[Path, typer.Option(help="Folder that gets the comparison.")],
) -> None:
    """Compare finished experiments: index.html and CSV tables."""
    Checked().folder("an experiment's folder of results", *results).output_folder(output)
    from tgl.report.across import write_across

    write_across(results, output)
    say(f"comparison: {output / 'index.html'}")


@command("replicates")
def replicates(
    results: Annotated[list[Path], typer.Argument(help="Folders of experiments, one for each replicate.")],
    output: Annotated[
        Path, typer.Option(help="Folder that gets steps.csv, curves.csv and equal_uptake.csv.")
    ],
    settings: Annotated[WholeConfig, Keys("", options=())],
) -> None:
    """Compare methods over experiments that are replicates of one another.

    --config must be the configuration of the experiments. Methods that have not run in every replicate are left out.
    """
    Checked().folder("an experiment's folder of results", *results).output_folder(output)
    from tgl.report.replicates import write_replicates

    for line in write_replicates(results, settings, output):
        say(line)


@command("advise")
def advise(
    results: Annotated[
        list[Path],
        typer.Argument(
            help="Folder of an experiment with several seeds, folders of its replicates, or a file curves.csv."
        ),
    ],
    settings: Annotated[WholeConfig, Keys("", options=())],
    budget: Annotated[
        float | None,
        typer.Option(help="Hours of computing for further replicates.", metavar="HOURS", min=0.0),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="JSON file that gets the advice.", metavar="FILE")
    ] = None,
) -> None:
    """Recommend a plan, a baseline and a learning rate, or print why the data support none.

    --config must be the configuration of the experiments.
    """
    folders = [path for path in results if not path.is_file()]
    given = Checked().folder("an experiment's folder of results, or a file curves.csv", *folders)
    given.file("the curves of a report", *(path for path in results if path.is_file()))
    if output is not None:
        given.output(output)
    from tgl.report.advice import write_advice

    for line in write_advice(results, settings, budget=budget, output=output):
        show(one_line(line))


@command("verify")
def verify(
    results: Annotated[Path, typer.Argument(help="Folder of an experiment, such as results/default.")],
) -> None:
    """Read every artifact again and compare it with the manifest."""
    Checked().folder("an experiment's folder of results", results)
    from tgl.provenance.verify import verify

    found = verify(results)
    for line in (*found.problems, *found.advice, found):
        show(one_line(str(line)))
    if found.num_errors:
        raise typer.Exit(1)


@command("explain")
def explain(artifact: Annotated[Path, typer.Argument(help="A file in the folder of an experiment.")]) -> None:
    """Show how an artifact was made: settings, code, versions, cost, inputs."""
    from tgl.provenance.explain import explain

    show(explain(artifact))


@command("export")
def export(
    results: Annotated[Path, typer.Argument(help="Folder of an experiment, such as results/default.")],
    hub_layout: Annotated[Path, typer.Option(help="Folder that gets one folder for each kind of table.")],
    table: Annotated[
        list[str] | None,
        typer.Option(help="Only this kind of table, such as pages. Can be given several times."),
    ] = None,
) -> None:
    """Copy tables into folders that `datasets.load_dataset` reads, with cards."""
    Checked().folder("an experiment's folder of results", results).output_folder(hub_layout)
    from tgl.export.hub import export_hub

    export_hub(results, hub_layout, table or (), say=say)


@command("export-crate")
def export_crate(
    results: Annotated[Path, typer.Argument(help="Folder of an experiment, such as results/default.")],
) -> None:
    """Describe a run as an RO-Crate, for archives of research data.

    This writes ro-crate-metadata.json into the folder of the experiment. It names every file with its hash, every job
    and all package versions.
    """
    Checked().folder("an experiment's folder of results", results)
    from tgl.export.crate import export_crate

    say(f"wrote {export_crate(results)}")


@command("export-lm-eval")
def export_lm_eval(
    probes: Annotated[Path, typer.Argument(help="Table `probes`.")],
    output: Annotated[Path, typer.Option(help="Folder that gets the tasks. It must not exist.")],
    name: Annotated[
        str, typer.Option(help="Name of the group of tasks, and beginning of the names of the tasks.")
    ] = "tgl",
    split: Annotated[str, typer.Option(help="The split of the probes: test or validation.")] = "test",
    first_token: Annotated[
        str,
        typer.Option(
            help="Text of the token that begins each context, for models without a begin-of-text token.",
            metavar="TEXT",
        ),
    ] = "",
) -> None:
    """Write probes as tasks of EleutherAI's lm-evaluation-harness."""
    Checked().table("probes", probes).output_folder(output)
    from tgl.core.tables.read import read_table
    from tgl.export.lm_eval import export_lm_eval

    export_lm_eval(read_table(probes, "probes"), output, name, split=split, first_token=first_token, say=say)
