"""The subcommand push."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tgl.cli.command import command, show
from tgl.cli.inputs import Checked


@command("push")
def push(
    results: Annotated[Path, typer.Argument(help="Folder of an experiment, such as results/default.")],
    to: Annotated[
        str, typer.Option(help="The repository, which is new or has no files.", metavar="NAMESPACE/NAME")
    ],
    what: Annotated[
        str, typer.Option(help="What to upload: model, dataset (the tables) or report.", metavar="KIND")
    ] = "dataset",
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="Folder of the checkpoint for --what model. Needed if there are several."),
    ] = None,
    private: Annotated[bool, typer.Option("--private", help="Make the repository private.")] = False,
    go: Annotated[
        bool, typer.Option("--go", help="Upload. Without it: print what would be uploaded.")
    ] = False,
) -> None:
    """Upload a checkpoint, the tables or the report to the Hugging Face Hub.

    The token is that of `hf auth login` or the environment variable HF_TOKEN.
    """
    Checked().folder("an experiment's folder of results", results)
    from tgl.export import push as pushing

    pushing.push(results, to, what, checkpoint=checkpoint, private=private, go=go, say=show)
