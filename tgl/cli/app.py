"""The application: groups of commands, whose modules are imported when a command is called."""

from __future__ import annotations

import logging
import os
import sys
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from tgl.core.reusable import REUSABLE, REUSE

# By group of the help: command, module below tgl.cli, and what it does.
GROUPS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "Projects": (
        ("init", "projects", "Write a small project of your own: a configuration with comments."),
        ("check", "projects", "Check a configuration file and report everything that is wrong with it."),
        ("run", "projects", "Run the workflow of a configuration, with a progress bar."),
    ),
    "Models": (
        ("profile", "profiles", "Measure gradient norms by sublayer, for salient spans and every control."),
        ("along", "profiles", "Profile several checkpoints of one training run."),
        (
            "interference",
            "profiles",
            "Measure how much each sublayer takes up of new facts and disturbs old text.",
        ),
        ("plan", "profiles", "Turn a profile into a learning-rate multiplier for each sublayer."),
        (
            "export-plan",
            "plan_export",
            "Write a plan for other training tools, with the names of a model's parameters.",
        ),
        ("base", "training", "Pretrain the base model, or load and adapt one."),
        (
            "train",
            "training",
            "Train a base model by one plan on all periods, and score it after each period.",
        ),
        (
            "score",
            "training",
            "Score the test probes and the held-out texts of a checkpoint, and continue a few probes.",
        ),
        (
            "known-facts",
            "facts",
            "Measure which facts a model knows: the rank of each answer in every wording of the probes.",
        ),
        ("agree", "profiles", "Compare a profile with causal tracing and with the movement of the weights."),
    ),
    "Data": (
        ("world", "snapshots", "Write the synthetic world as MediaWiki dumps, one for each date."),
        (
            "counterfactual",
            "facts",
            "Write real text of two dates, with changed facts inside the later text.",
        ),
        ("files", "snapshots", "List dump files (path, size, SHA-1) as the table `files`."),
        ("history", "snapshots", "Write the dump of each date from a full history of a wiki."),
        ("download", "snapshots", "Download the dump of one date, verify it, and list its files."),
        ("pages", "snapshots", "Extract clean text, links and sections of one shard of a snapshot."),
        ("documents", "snapshots", "Write the documents of one date as the table `pages`."),
        (
            "base-text",
            "text",
            "Turn a file of documents {id, title, text} into a table `pages` for a base model.",
        ),
        ("diff", "text", "Find the new and changed sentences between two tables `pages`."),
        ("probes", "probes", "Write the probes of every configured set: sentences with a salient span."),
        ("wikidata", "probes", "Write what Wikidata states at each date, as queries with answers."),
        (
            "snapshot-probes",
            "probes",
            "Find salient spans in the new sentences of one shard of two snapshots.",
        ),
        ("tokenizer", "text", "Train the tokenizer on the base text, or copy the configured one."),
        ("pack", "text", "Tokenise base text or new sentences, and pack them into blocks."),
    ),
    "Results": (
        (
            "report",
            "results",
            "Write the report: index.html and two more pages, figures, CSV tables, gate.json.",
        ),
        ("gate", "results", "Fail if a gate of the report was missed."),
        ("across", "results", "Compare finished experiments: index.html and CSV tables."),
        ("replicates", "results", "Compare methods over experiments that are replicates of one another."),
        (
            "advise",
            "results",
            "Recommend a plan, a baseline and a learning rate, or print why the data support none.",
        ),
        ("verify", "results", "Read every artifact again and compare it with the manifest."),
        ("explain", "results", "Show how an artifact was made: settings, code, versions, cost, inputs."),
        ("export", "results", "Copy tables into folders that `datasets.load_dataset` reads, with cards."),
        ("export-crate", "results", "Describe a run as an RO-Crate, for archives of research data."),
        ("push", "push", "Upload a checkpoint, the tables or the report to the Hugging Face Hub."),
        ("export-lm-eval", "results", "Write probes as tasks of EleutherAI's lm-evaluation-harness."),
    ),
}
_MODULES = {name: module for commands in GROUPS.values() for name, module, _ in commands}


class PlainHelp:
    """Leaves out of the help the type of a flag, which takes no value, and Python's type of an argument."""

    def get_params(self, ctx: typer.Context) -> list:
        """Return the parameters."""
        found = super().get_params(ctx)
        for parameter in found:
            if parameter.param_type_name == "argument":
                parameter.display_type_rich = lambda ctx: None
            elif parameter.is_flag:
                parameter.metavar = ""
        return found


class Command(PlainHelp, TyperCommand):
    """One command."""


class Commands(PlainHelp, TyperGroup):
    """Imports the module of a command when it is called; the help needs none of them."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = {
            name: Command(name, help=about, rich_help_panel=group)
            for group, commands in GROUPS.items()
            for name, _, about in commands
        }

    def resolve_command(
        self, ctx: typer.Context, args: list[str]
    ) -> tuple[str | None, TyperCommand | None, list[str]]:
        """Import the command that is called, unless its outputs are copied; refuse an unknown one."""
        name = args[0] if args else ""
        if name in REUSABLE and (folder := os.environ.get(REUSE)):
            _copy_outputs(args, folder)
        return (name, load(name), args[1:]) if name in _MODULES else super().resolve_command(ctx, args)


def load(name: str) -> TyperCommand:
    """Return a command as it is called."""
    try:
        import_module(f"tgl.cli.{_MODULES[name]}")
    except Exception as error:  # an entry of another package, or an environment without a package
        from tgl.cli.command import report

        raise typer.Exit(report(name, error, {})) from None
    from tgl.cli.command import COMMANDS

    own = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    own.command(name, cls=Command)(COMMANDS[name])
    return typer.main.get_command(own)


def _copy_outputs(arguments: list[str], folder: str) -> None:
    """End the command if another experiment has its outputs."""
    from tgl.core.errors import TglError
    from tgl.provenance.reuse import reuse

    set_up_logging()
    logger = logging.getLogger("tgl")
    try:
        copied = reuse(arguments, folder)
    except (TglError, OSError) as error:  # the command itself says what is wrong
        logger.warning("copied nothing from other experiments: %s", error)
        return
    if copied:
        logger.info(copied)
        raise typer.Exit


app = typer.Typer(
    name="tgl",
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Gradient profiles, plans and continual pretraining of language models, with the controls that show whether "
    "the choice of layers matters.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        import tgl

        print(f"tgl {tgl.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Log the time of each line, and warnings of libraries.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Log warnings and errors only.")] = False,
) -> None:
    """Set up logging for the command that follows."""
    set_up_logging(verbose, quiet)


class _Lines(logging.Handler):
    """Prints each line to the standard output of the moment, so that it can be replaced."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a line at once."""
        from tgl.core.terminal import write

        write(self.format(record), sys.stdout)


def set_up_logging(verbose: bool = False, quiet: bool = False) -> None:
    """Print lines of the log as they are; with `verbose` with their time, and so the warnings of libraries."""
    handler = _Lines()
    handler.setFormatter(
        logging.Formatter("%(asctime)s %(message)s" if verbose else "%(message)s", "%H:%M:%S")
    )
    logger = logging.getLogger("tgl")
    logger.handlers[:] = [handler]
    logger.propagate = False
    logger.setLevel(logging.WARNING if quiet else logging.INFO)
    logging.getLogger("py.warnings").handlers[:] = [handler] if verbose else []
    logging.captureWarnings(verbose)


def main() -> None:
    """Run the command line; the end of a process that has joined others is `tgl.train.processes.leave`."""
    try:
        app()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except OSError as error:  # help that cannot be printed
        from tgl.cli.command import report

        status = report("--help", error, {})
    if "tgl.cli.command" in sys.modules:
        from tgl.cli.command import processes_of

        if joined := processes_of():
            joined.leave(status)
    sys.exit(status)
