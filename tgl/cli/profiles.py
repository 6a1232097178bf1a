"""Subcommands on profiles: profile, along, interference, agree, plan."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tgl.analysis.settings import AgreeConfig
from tgl.cli.command import MergeAdapter, Seed, Threads, command, named_paths, say, set_up_torch, show
from tgl.cli.inputs import Checked
from tgl.cli.options import checked
from tgl.cli.sections import Keys
from tgl.core.errors import TglError
from tgl.core.extras import missing_extra
from tgl.plans.settings import PlanConfig, PlanText
from tgl.profiling.settings import ProfileConfig

if TYPE_CHECKING:
    import pandas as pd

Model = Annotated[str, typer.Argument(help="Folder or Hugging Face name of a causal language model.")]
Probes = Annotated[
    Path, typer.Option(help="Table `probes`, or JSON lines of text, span and kind.", metavar="FILE")
]
Corpus = Annotated[
    Path,
    typer.Option(
        help="Plain text: .txt, .jsonl, .parquet with a column text, or a table `tokens`.", metavar="FILE"
    ),
]


@command("profile")
def profile(
    model: Model,
    probes: Probes,
    corpus: Corpus,
    output: Annotated[
        Path,
        typer.Option(
            help="Folder that gets profile.parquet, norms.parquet, comparisons.parquet, profile.svg."
        ),
    ],
    settings: Annotated[ProfileConfig, Keys("profile", without=("seed",), unused=("periods",))],
    period: Annotated[
        str | None,
        typer.Option(
            help="Use the validation probes of this period only. Without it: those of all periods.",
            metavar="DATE",
        ),
    ] = None,
    seed: Seed = 0,
    merge_adapter: MergeAdapter = False,
    adapters: Annotated[
        bool,
        typer.Option(
            "--adapters", help="MODEL holds a LoRA adapter: measure its parameters, without a twin."
        ),
    ] = False,
    stream: Annotated[
        bool,
        typer.Option(
            "--stream",
            help="Read the blocks from disk when they run, for models larger than memory. "
            "Without twin and norms of mean gradients.",
        ),
    ] = False,
    threads: Threads = 1,
) -> None:
    """Measure gradient norms by sublayer, for salient spans and every control."""
    _profiled([model], probes, corpus).output_folder(output)
    from tgl.profiling.measure import measure
    from tgl.profiling.options import Options
    from tgl.profiling.summary import summary

    set_up_torch(threads)
    found = measure(
        model,
        probes=probes,
        corpus=corpus,
        settings=settings,
        options=Options(
            period=period, seed=seed, merge_adapter=merge_adapter, adapters=adapters, stream=stream
        ),
        say=say,
    )
    found.write(output)
    _draw(found.profile, output)
    show(summary(found.profile))


@command("along")
def along(
    model: Annotated[
        list[str],
        typer.Option(
            help="Step and folder of a checkpoint. Given once for each checkpoint, in order.",
            metavar="STEP=FOLDER",
        ),
    ],
    probes: Probes,
    corpus: Corpus,
    period: Annotated[str, typer.Option(help="Use the validation probes of this period.", metavar="DATE")],
    output: Annotated[Path, typer.Option(help="Folder that gets along.parquet and along-examples.parquet.")],
    settings: Annotated[ProfileConfig, Keys("profile", without=("seed",), unused=("periods",))],
    seed: Seed = 0,
    threads: Threads = 1,
) -> None:
    """Profile several checkpoints of one training run."""
    models = {}
    for step, folder in named_paths(model).items():
        if not (step.isascii() and step.isdecimal()):
            raise TglError(f"--model {step}={folder}: found the step '{step}', expected a number such as 500")
        if int(step) in models:
            raise TglError(
                f"--model {step}={folder}: step {int(step)} is given twice; expected different steps"
            )
        models[int(step)] = folder
    written = output / "along.parquet", output / "along-examples.parquet"
    _profiled(models.values(), probes, corpus).output(*written)
    from tgl.core.tables.write import write_table
    from tgl.profiling.along import profile_along

    set_up_torch(threads)
    along, of_examples = profile_along(
        models, probes, corpus, period=period, settings=settings, seed=seed, say=say
    )
    write_table(along, written[0], "along")
    write_table(of_examples, written[1], "along_examples")


@command("agree")
def agree(
    model: Annotated[str, typer.Argument(help="The profiled model: a folder or a Hugging Face name.")],
    profile: Annotated[Path, typer.Option(help="Folder of the profile, which `tgl profile` wrote.")],
    probes: Annotated[Path, typer.Option(help="The probes of the profile.", metavar="FILE")],
    output: Annotated[
        Path, typer.Option(help="Folder that gets tracing.parquet, movement.parquet and agreement.parquet.")
    ],
    settings: Annotated[AgreeConfig, Keys("agree")],
    moved: Annotated[
        str | None,
        typer.Option(
            help="Checkpoint of a full training from MODEL, whose movement is measured.", metavar="MODEL"
        ),
    ] = None,
    seed: Seed = 0,
    merge_adapter: MergeAdapter = False,
    threads: Threads = 1,
) -> None:
    """Compare a profile with causal tracing and with the movement of the weights."""
    given = Checked().model(model, moved).table("norms", profile / "norms.parquet")
    _probes(given, probes).output_folder(output)
    from tgl.analysis.agreement import agree
    from tgl.models.checkpoint import load_checkpoint

    set_up_torch(threads)
    checkpoint = load_checkpoint(model, merge_adapter=merge_adapter, say=say)
    found = agree(checkpoint, profile, probes, settings=settings, seed=seed, moved=moved, say=say)
    found.write(output)
    show(found.agreement.to_string(index=False, float_format=lambda value: f"{value:.2f}"))


@command("plan")
def plan(
    profile: Annotated[Path, typer.Argument(help="Table `profile`, such as FOLDER/profile.parquet.")],
    method: Annotated[
        str,
        typer.Option(help="Name of the plan, such as tgl_fp (docs/plans.md).", callback=checked(PlanText)),
    ],
    output: Annotated[Path, typer.Option(help="The plan to write, as JSON.")],
    settings: Annotated[PlanConfig, Keys("plan", unused=("borrow",))],
    model: Annotated[
        Path | None, typer.Option(help="Folder of the profiled model. Only the plan `spectrum` needs it.")
    ] = None,
    borrowed: Annotated[
        Path | None, typer.Option(help="Table `profile` of another experiment, for plans that borrow one.")
    ] = None,
    interference: Annotated[
        Path | None,
        typer.Option(help="Table that `tgl interference` writes, for the plans that depend on it."),
    ] = None,
    seed: Seed = 0,
) -> None:
    """Turn a profile into a learning-rate multiplier for each sublayer."""
    Checked().model(model).table("profile", profile, borrowed).table("interference", interference).output(
        output
    )
    from tgl.plans.stage import write_plan

    given = {"borrowed": borrowed, "interference": interference}
    others = {name: path for name, path in given.items() if path is not None}
    show(write_plan(profile, method, output, settings=settings, seed=seed, model=model, others=others))


@command("interference")
def interference(
    model: Annotated[str, typer.Argument(help="Folder of the model.")],
    probes: Annotated[Path, typer.Option(help="Table `probes`.", metavar="FILE")],
    tokens: Annotated[Path, typer.Option(help="Table `tokens` of the old text.")],
    period: Annotated[str, typer.Option(help="Use the validation probes of this period.", metavar="DATE")],
    output: Annotated[Path, typer.Option(help="Table `interference` to write.")],
    settings: Annotated[ProfileConfig, Keys("profile", only=("examples", "window_tokens", "seed"))],
    salient: Annotated[
        str, typer.Option(help="Kind of the salient spans: updated or new_entity.")
    ] = "updated",
    threads: Threads = 1,
) -> None:
    """Measure how much each sublayer takes up of new facts and disturbs old text."""
    Checked().model(model).table("probes", probes).table("tokens", tokens).output(output)
    from tgl.profiling.interference import write_interference

    set_up_torch(threads)
    write_interference(
        model,
        probes=probes,
        tokens=tokens,
        output=output,
        salient=salient,
        period=period,
        settings=settings,
    )


def _profiled(models: Iterable[str | Path], probes: Path, corpus: Path) -> Checked:
    """Check what is profiled: models, probes and plain text."""
    return _probes(Checked().model(*models), probes).file("plain text, or a table of tokens", corpus)


def _probes(given: Checked, probes: Path) -> Checked:
    """Check a table of probes by its columns, or a file of JSON lines by its content, which is small."""
    from tgl.probes.given import read_probes

    given.file("probes: a table, or JSON lines of text, span and kind", probes)
    if probes.suffix == ".parquet":
        return given.table("probes", probes)
    read_probes(probes)
    return given


def _draw(profile: pd.DataFrame, folder: Path) -> None:
    """Write the figures of a profile where matplotlib is installed; a profile does not need them."""
    try:
        from tgl.report.profile_figures import write_profile_figures
    except ModuleNotFoundError as error:
        if (missing := missing_extra(error, "profile.svg")) is None:
            raise
        say(f"skipping the figures: {missing}")
        return
    write_profile_figures(profile, folder)
