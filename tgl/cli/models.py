"""Subcommands of the model half: base, score, profile, along, agree, plan, train."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

import typer

from tgl import config as sections
from tgl.cli import launch
from tgl.cli.app import (
    Config,
    MergeAdapter,
    Nodes,
    Processes,
    Seed,
    Threads,
    command,
    named_paths,
    say,
    set_up_torch,
    show,
)
from tgl.cli.inputs import Checked
from tgl.cli.options import LearningRate, checked, checked_names
from tgl.config_baselines import BaselinesConfig
from tgl.config_check import load_section
from tgl.config_types import PlanText
from tgl.errors import TglError
from tgl.plans.names import BASELINES
from tgl.train.run import TABLES, Run, Settings


@command("base")
def base(
    tokenizer: Annotated[Path, typer.Option()],
    tokens: Annotated[Path, typer.Option(help="The table `tokens` of the base text.")],
    output: Annotated[Path, typer.Option(help="Folder of the model.")],
    steps: Annotated[Path, typer.Option(help="The table `steps`.")],
    state: Annotated[Path, typer.Option(help="Folder to go on from after an interruption.")],
    seed: Seed = 0,
    config: Config = "{}",
    token_config: Config = "{}",
    engine_config: Config = "{}",
    threads: Threads = 1,
    processes: Processes = 1,
    nodes: Nodes = 1,
) -> None:
    """Pretrain the base model, or load and adapt one."""
    settings = load_section(sections.ModelConfig, config)
    token_settings = load_section(sections.TokensConfig, token_config, "--token-config")
    engine_settings = load_section(sections.EngineConfig, engine_config, "--engine-config")
    given = Checked().tokenizer(tokenizer).table("tokens", tokens).model(settings.load)
    given.output(steps).output_folder(output).state_folder(state)
    launch.start(processes, nodes)
    from tgl.train.base import train_base

    set_up_torch(threads)
    train_base(
        tokenizer,
        tokens,
        settings,
        token_settings,
        engine_settings,
        seed,
        output,
        steps,
        state,
        say,
    )


@command("score")
def score(
    model: Path,
    probes: Annotated[Path, typer.Option()],
    text: Annotated[list[str], typer.Option(help="NAME=TABLE of tokens; its held-out part is scored.")],
    scores: Annotated[Path, typer.Option()],
    lm_loss: Annotated[Path, typer.Option()],
    checkpoint: Annotated[str, typer.Option(help="Name of the checkpoint in the tables.")],
    merge_adapter: MergeAdapter = False,
    config: Config = "{}",
    threads: Threads = 1,
) -> None:
    """Score the test probes and the held-out texts of a checkpoint."""
    block_size = load_section(sections.TokensConfig, config).block_size
    texts = named_paths(text)
    given = Checked().model(model).table("probes", probes).table("tokens", *texts.values())
    given.output(scores, lm_loss)
    from tgl.evaluate.stage import score_checkpoint
    from tgl.text.tokens import load_tokenizer
    from tgl.train.checkpoint import load_model

    tokenizer = load_tokenizer(model)
    set_up_torch(threads)
    score_checkpoint(
        load_model(model, merge_adapter=merge_adapter, say=say),
        tokenizer,
        probes,
        texts,
        checkpoint,
        block_size,
        scores,
        lm_loss,
    )


@command("profile")
def profile(
    model: Annotated[str, typer.Argument(help="Folder or Hugging Face name of a causal language model.")],
    probes: Annotated[Path, typer.Option(help="Table probes, or JSON lines of text, span and kind.")],
    corpus: Annotated[
        Path, typer.Option(help="Plain text: .txt, .jsonl, .parquet with a column text, or tokens.")
    ],
    output: Annotated[
        Path, typer.Option(help="Folder: profile, norms and comparisons.parquet, profile.svg.")
    ],
    period: Annotated[
        str | None, typer.Option(help="Period whose validation probes are taken; omitted: all.")
    ] = None,
    seed: Seed = 0,
    merge_adapter: MergeAdapter = False,
    config: Config = "{}",
    threads: Threads = 1,
) -> None:
    """Measure gradient norms by sublayer, for salient spans and every control."""
    settings = load_section(sections.ProfileConfig, config)
    _profiled([model], probes, corpus).output_folder(output)
    from tgl.profiling.stage import profile
    from tgl.profiling.summary import summary
    from tgl.report.profile_figures import write_profile_figures

    set_up_torch(threads)
    found = profile(
        model,
        probes=probes,
        corpus=corpus,
        period=period,
        settings=settings,
        seed=seed,
        merge_adapter=merge_adapter,
        say=say,
    )
    found.save(output)
    write_profile_figures(found.profile, output)
    show(summary(found.profile))


@command("along")
def along(
    model: Annotated[list[str], typer.Option(help="STEP=FOLDER of a checkpoint, in order.")],
    probes: Annotated[Path, typer.Option()],
    corpus: Annotated[Path, typer.Option()],
    period: Annotated[str, typer.Option()],
    output: Annotated[Path, typer.Option(help="The table along.")],
    examples: Annotated[Path, typer.Option(help="The table along_examples.")],
    seed: Seed = 0,
    config: Config = "{}",
    threads: Threads = 1,
) -> None:
    """Profile checkpoints along a training."""
    settings = load_section(sections.ProfileConfig, config)
    models = {}
    for step, folder in named_paths(model).items():
        if not (step.isascii() and step.isdecimal()):
            raise TglError(f"--model {step}={folder}: STEP must be a number")
        if int(step) in models:
            raise TglError(
                f"--model {step}={folder}: step {int(step)} is given twice; expected different steps"
            )
        models[int(step)] = folder
    _profiled(models.values(), probes, corpus).output(output, examples)
    from tgl.profiling.along import profile_along

    set_up_torch(threads)
    profile_along(models, probes, corpus, period, settings, seed, output, examples, say)


@command("agree")
def agree(
    model: Annotated[str, typer.Argument(help="The model that was profiled.")],
    profile: Annotated[Path, typer.Option(help="Folder of its profile.")],
    probes: Annotated[Path, typer.Option(help="The probes it was made from.")],
    output: Annotated[Path, typer.Option(help="Folder: tracing, movement and agreement.parquet.")],
    moved: Annotated[str | None, typer.Option(help="A checkpoint trained in full from this model.")] = None,
    seed: Seed = 0,
    merge_adapter: MergeAdapter = False,
    config: Config = "{}",
    threads: Threads = 1,
) -> None:
    """Compare a profile with causal tracing of the same facts, and with how far each sublayer moved in training."""
    settings = load_section(sections.AgreeConfig, config)
    given = Checked().model(model, moved).table("norms", profile / "norms.parquet")
    _probes(given, probes).output_folder(output)
    from tgl.agreement.stage import agree

    set_up_torch(threads)
    found = agree(model, profile, probes, settings, seed, output, moved, merge_adapter=merge_adapter, say=say)
    show(found.to_string(index=False, float_format=lambda value: f"{value:.2f}"))


@command("plan")
def plan(
    profile: Path,
    method: Annotated[str, typer.Option(help="The plan's name: docs/plans.md.", callback=checked(PlanText))],
    output: Annotated[Path, typer.Option()],
    model: Annotated[
        Path | None, typer.Option(help="The profiled model; only `spectrum` looks at it.")
    ] = None,
    borrowed: Annotated[Path | None, typer.Option(help="Another experiment's profile.")] = None,
    seed: Seed = 0,
    config: Config = "{}",
) -> None:
    """Turn a profile into a learning-rate multiplier per sublayer."""
    settings = load_section(sections.PlanConfig, config)
    Checked().model(model).table("profile", profile, borrowed).output(output)
    from tgl.plans.stage import write_plan

    show(write_plan(profile, method, settings, seed, output, model, borrowed))


@command("train")
def train(
    base_model: Path,
    base_tokens: Annotated[Path, typer.Option()],
    tokens: Annotated[list[str], typer.Option(help="PERIOD=TABLE, in order.", callback=checked_names)],
    probes: Annotated[Path, typer.Option()],
    profile: Annotated[Path, typer.Option(help="The table profile that the plan was made from.")],
    plan: Annotated[Path, typer.Option()],
    models: Annotated[Path, typer.Option(help="Folder: <period>/model.safetensors and configs.")],
    tables: Annotated[Path, typer.Option(help="Folder: scores, lm_loss, steps and rates.")],
    state: Annotated[Path, typer.Option(help="Folder to go on from after an interruption.")],
    learning_rate: LearningRate,
    baseline: Annotated[
        str, typer.Option(help="What the plan is put on.", callback=checked(Literal[BASELINES]))
    ] = "plain",
    seed: Seed = 0,
    config: Config = "{}",
    token_config: Config = "{}",
    profile_config: Config = "{}",
    plan_config: Config = "{}",
    baseline_config: Config = "{}",
    threads: Threads = 1,
    processes: Processes = 1,
    nodes: Nodes = 1,
) -> None:
    """Continual pretraining by one plan through all periods, scored after each."""
    settings = _train_settings(config, token_config, profile_config, plan_config, baseline_config)
    named = named_paths(tokens)
    written = [tables / f"{name}.parquet" for name in TABLES]
    given = Checked().model(base_model).table("tokens", base_tokens, *named.values()).table("probes", probes)
    given.table("profile", profile).file("a plan as JSON", plan).output(*written)
    given.output_folder(*(models / period for period in named)).state_folder(state)
    launch.start(processes, nodes)
    from tgl.train.continual import train_periods

    set_up_torch(threads)
    run = Run(
        base_model=base_model,
        base_tokens=base_tokens,
        tokens=named,
        probes=probes,
        profile=profile,
        plan=plan,
        baseline=baseline,
        models={period: models / period for period in named},
        tables=dict(zip(TABLES, written, strict=True)),
        state=state,
        learning_rate=learning_rate,
        seed=seed,
    )
    train_periods(run, settings, say)


def _train_settings(config: str, tokens: str, profile: str, plan: str, baselines: str) -> Settings:
    return Settings(
        train=load_section(sections.TrainConfig, config),
        tokens=load_section(sections.TokensConfig, tokens, "--token-config"),
        profile=load_section(sections.ProfileConfig, profile, "--profile-config"),
        plan=load_section(sections.PlanConfig, plan, "--plan-config"),
        baselines=load_section(BaselinesConfig, baselines, "--baseline-config"),
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
