"""The subcommand export-plan."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from tgl.cli.command import command, say, show
from tgl.cli.inputs import Checked
from tgl.cli.options import checked
from tgl.core.config_types import Rate


@command("export-plan")
def export_plan(
    plan: Annotated[Path, typer.Argument(help="The plan: a JSON file that `tgl plan` or you have written.")],
    model: Annotated[str, typer.Option(help="Folder or Hugging Face name of the model to train.")],
    to: Annotated[
        str,
        typer.Option(
            help="The format: axolotl, ms-swift, llama-factory, peft or json (docs/plans.md).",
            metavar="FORMAT",
        ),
    ],
    output: Annotated[
        Path | None, typer.Option(help="File to write. Without it: print the text.", metavar="FILE")
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            help="Learning rate at multiplier 1. axolotl needs it for multipliers other than 0 and 1.",
            callback=checked(Rate),
        ),
    ] = None,
) -> None:
    """Write a plan for other training tools, with the names of a model's parameters."""
    Checked().file("a plan in JSON", plan).model(model).output(output)
    from tgl.core.files import write_text
    from tgl.core.terminal import write
    from tgl.export.plans import formats
    from tgl.models.checkpoint import inspect_model
    from tgl.plans.plan import load_plan

    found = formats.export_plan(load_plan(plan), inspect_model(model), to, learning_rate=learning_rate)
    if output is None:
        show(found.text.rstrip("\n"))
    else:
        write_text(output, found.text)
    for note in found.notes:
        # The text on standard output may go into a file.
        say(f"{output}: {note}") if output else write(f"tgl export-plan: {note}", sys.stderr)
