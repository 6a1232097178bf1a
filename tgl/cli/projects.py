"""Commands about a whole project: write one, check it, run it."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Annotated

import typer

from tgl.cli.command import command, say, show
from tgl.cli.inputs import Checked
from tgl.config.check import load_config
from tgl.config.files import check_folder, missing_files, missing_models, wrong_probes
from tgl.core.errors import TglError


@command("check")
def check(file: Annotated[Path, typer.Argument(help="A configuration, such as config.yaml.")]) -> None:
    """Check a configuration file and report everything that is wrong with it."""
    config = load_config(file)
    check_folder(config.experiment)
    missing = list(missing_models(config))
    if config.data_root is not None and not Path(config.data_root).is_dir():
        say(f"data_root: '{config.data_root}' is not there; the files below it are not checked")
    else:
        missing += missing_files(config)
    if missing:
        raise TglError("\n  - ".join([f"{file}: {len(missing)} missing", *missing]))
    if wrong := list(wrong_probes(config)):
        raise TglError("\n  - ".join([f"{file}: {len(wrong)} files of probes cannot be used", *wrong]))
    say(f"{file}: valid")


@command("run")
def run(
    config: Annotated[Path, typer.Argument(help="A configuration, such as config.yaml.")],
    until: Annotated[
        list[str] | None,
        typer.Option(
            help="Stop after this stage, such as pages or train. Can be given several times.", metavar="RULE"
        ),
    ] = None,
    cores: Annotated[str, typer.Option(help="Cores to use: a number, or all.", metavar="NUMBER|all")] = "all",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would run.")] = False,
    snakemake_options: Annotated[
        list[str] | None, typer.Argument(help="More options of Snakemake, after --: -- --forcerun train")
    ] = None,
) -> None:
    """Run the workflow of a configuration, with a progress bar.

    Results are written to results/NAME in the working directory. NAME is the key `experiment` of the configuration.

    The same command resumes a run that was stopped.
    """
    settings = load_config(config)
    check_folder(settings.experiment)
    if not (cores == "all" or (cores.isdecimal() and int(cores) > 0)):
        raise TglError(f"--cores: found '{cores}', expected a number from 1 on, or all")
    from tgl.cli.workflow import run_workflow

    more = snakemake_options or []
    if strange := next((option for option in more if re.match(r"--configfiles?(=|$)", option)), None):
        raise TglError(f"{strange}: found after --, expected one configuration. Put both into one file")
    # Snakemake would take a second stage for a target, and could find nothing to do.
    if until and more and not more[0].startswith("-"):
        raise TglError(
            f"--until {until[-1]}: found '{more[0]}' after it, expected one stage. Give each stage its option: "
            f"--until {until[-1]} --until {more[0]}. A file as a target needs no --until"
        )
    options = ["--until", *until] if until else []
    options += ["--configfile", str(config), "--cores", cores]
    options += ["--dry-run"] if dry_run else []
    # Another name has another report.
    renamed = any(re.match(r"(-C|--config=?)?experiment=", option) for option in more)
    results = None if renamed else f"results/{settings.experiment}"
    status = run_workflow([*options, *more], results)
    if status:
        raise typer.Exit(status)


@command("init")
def init(
    folder: Annotated[Path, typer.Argument(help="The folder of the new project. It must not exist.")],
    text: Annotated[
        list[Path] | None,
        typer.Option(help="Your own documents at one date: a file or folder. Give one for each date."),
    ] = None,
    date: Annotated[
        list[str] | None,
        typer.Option(help="The date YYYYMMDD of each --text, if their names hold none.", metavar="DATE"),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Folder or Hugging Face name of a pretrained model to continue.")
    ] = None,
    probes: Annotated[Path | None, typer.Option(help="Your own probes (docs/probes.md).")] = None,
) -> None:
    """Write a small project of your own: a configuration with comments.

    With --text it is on your own documents: their changes from date to date are the training text. Without, it is a
    small synthetic world that runs as it is, in one or two minutes on two cores.
    """
    if folder.exists():
        raise TglError(f"{folder}: exists; expected the name of a new folder. Choose another name")
    if not text and (date or model or probes):
        raise TglError(
            "--date, --model and --probes: need --text, the documents that they belong to. Add --text"
        )
    given = Checked().output_folder(folder)
    place = f"./{folder}" if str(folder).startswith("-") else str(folder)
    if not text:
        from tgl.config.project import write_project

        write_project(folder)
        show(
            f"{folder / 'config.yaml'}: written. Next:\n"
            f"  cd {shlex.quote(place)}\n"
            "  tgl check config.yaml    # reports everything that is wrong with the configuration\n"
            "  tgl run config.yaml      # one or two minutes on two cores"
        )
        return
    given.model(model).file("probes as JSON lines", probes)
    from tgl.cli.text_project import start_text_project

    show(start_text_project(folder, text, date or [], model=model, probes=probes))
    show(
        f"Next:\n  cd {shlex.quote(place)}\n  tgl run config.yaml --until probes    # see which probes there are"
    )
    show("  tgl run config.yaml")
