"""Subcommands on training and its scores: base, train, score."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tgl.cli import launch
from tgl.cli.command import (
    MergeAdapter,
    Nodes,
    Processes,
    Seed,
    Threads,
    command,
    named_paths,
    say,
    set_up_torch,
)
from tgl.cli.inputs import Checked
from tgl.cli.options import LearningRate, checked_entry, checked_names
from tgl.cli.sections import Keys
from tgl.core.config_types import Section
from tgl.core.vocabulary import RUN_TABLES, STEP_TABLES
from tgl.models.settings import ModelConfig
from tgl.plans.settings import PlanConfig
from tgl.profiling.settings import ProfileConfig
from tgl.text.settings import TokensConfig
from tgl.train.baseline import BASELINES
from tgl.train.settings import EngineConfig, TrainConfig

State = Annotated[
    Path,
    typer.Option(
        help="Folder of the saved state. An interrupted run resumes from it; it is removed at the end."
    ),
]


@command("base")
def base(
    tokenizer: Annotated[Path, typer.Option(help="Folder of the tokenizer.")],
    tokens: Annotated[Path, typer.Option(help="Table `tokens` of the base text.")],
    output: Annotated[Path, typer.Option(help="Folder that gets the model.")],
    steps: Annotated[Path, typer.Option(help="Table `steps` to write.")],
    state: State,
    settings: Annotated[ModelConfig, Keys("model", unused=("name",))],
    token_settings: Annotated[TokensConfig, Keys("tokens", only=("block_size",), given="--token-config")],
    engine_settings: Annotated[EngineConfig, Keys("train", part_of=TrainConfig, given="--engine-config")],
    seed: Seed = 0,
    threads: Threads = 1,
    processes: Processes = 1,
    nodes: Nodes = 1,
) -> None:
    """Pretrain the base model, or load and adapt one."""
    given = Checked().tokenizer(tokenizer).table("tokens", tokens).model(settings.load)
    given.output(steps).model_folder(output).state_folder(state)
    launch.start(processes, nodes)
    from tgl.train.base import Base, train_base

    set_up_torch(threads)
    wanted = Base(
        tokenizer=tokenizer,
        tokens=tokens,
        output=output,
        steps=steps,
        state=state,
        model=settings,
        block_size=token_settings.block_size,
        engine=engine_settings,
        seed=seed,
    )
    train_base(wanted, say)


@command("score")
def score(
    model: Annotated[Path, typer.Argument(help="Folder of the checkpoint.")],
    probes: Annotated[Path, typer.Option(help="Table `probes`.")],
    text: Annotated[
        list[str],
        typer.Option(
            help="Name and table `tokens` of a text, whose held-out part is scored. Can be given several times.",
            metavar="NAME=TABLE",
        ),
    ],
    output: Annotated[
        Path, typer.Option(help="Folder that gets the tables scores, lm_loss and generations.")
    ],
    checkpoint: Annotated[str, typer.Option(help="Name of the checkpoint in the tables.", metavar="NAME")],
    settings: Annotated[TokensConfig, Keys("tokens", only=("block_size",))],
    merge_adapter: MergeAdapter = False,
    threads: Threads = 1,
) -> None:
    """Score the test probes and the held-out texts of a checkpoint, and continue a few probes."""
    texts = named_paths(text)
    given = Checked().model(model).table("probes", probes).table("tokens", *texts.values())
    given.output(*(output / f"{name}.parquet" for name in ("scores", "lm_loss", "generations")))
    from tgl.evaluate.stage import score_checkpoint
    from tgl.models.checkpoint import load_model
    from tgl.models.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(model)
    set_up_torch(threads)
    found = load_model(model, merge_adapter=merge_adapter, say=say)
    score_checkpoint(
        found,
        tokenizer,
        probes=probes,
        texts=texts,
        checkpoint=checkpoint,
        block_size=settings.block_size,
        folder=output,
    )


@command("train")
def train(
    base_model: Annotated[Path, typer.Argument(help="Folder of the base model.")],
    base_tokens: Annotated[Path, typer.Option(help="Table `tokens` of the base text.")],
    tokens: Annotated[
        list[str],
        typer.Option(
            help="Period and its table `tokens`. Given once for each period, in order.",
            metavar="PERIOD=TABLE",
            callback=checked_names,
        ),
    ],
    probes: Annotated[Path, typer.Option(help="Table `probes`.")],
    profile: Annotated[Path, typer.Option(help="Table `profile` that the plan was made from.")],
    plan: Annotated[Path, typer.Option(help="The plan, as `tgl plan` writes it.")],
    tables: Annotated[
        Path,
        typer.Option(help="Folder that gets the tables scores, lm_loss, generations, steps, rates, drift."),
    ],
    state: State,
    learning_rate: LearningRate,
    settings: Annotated[TrainConfig, Keys("train")],
    token_settings: Annotated[TokensConfig, Keys("tokens", only=("block_size",), given="--token-config")],
    profile_settings: Annotated[
        ProfileConfig, Keys("profile", options=("periods",), given="--profile-config")
    ],
    plan_settings: Annotated[PlanConfig, Keys("plan", options=(), given="--plan-config")],
    baseline_settings: Annotated[
        Section | None,
        Keys("baselines", entries=BASELINES, entry="baseline", given="--baseline-config"),
    ],
    baseline: Annotated[
        str,
        typer.Option(
            help="Baseline that the plan is put on, such as ewc.", callback=checked_entry(BASELINES)
        ),
    ] = "plain",
    models: Annotated[
        Path | None,
        typer.Option(
            help="Folder that gets PERIOD/model.safetensors and configs. Without it no checkpoint is kept."
        ),
    ] = None,
    seed: Seed = 0,
    threads: Threads = 1,
    processes: Processes = 1,
    nodes: Nodes = 1,
) -> None:
    """Train a base model by one plan on all periods, and score it after each period."""
    named = named_paths(tokens)
    names = (*RUN_TABLES, *(STEP_TABLES if settings.score_at else ()))
    written = {name: tables / f"{name}.parquet" for name in names}
    checkpoints = {period: models / period for period in named} if models else {}
    given = Checked().model(base_model).table("tokens", base_tokens, *named.values()).table("probes", probes)
    given.table("profile", profile).file("a plan as JSON", plan).output(*written.values())
    given.model_folder(*checkpoints.values()).state_folder(state)
    launch.start(processes, nodes)
    from tgl.train.continual import train_periods
    from tgl.train.run import Run, Settings

    set_up_torch(threads)
    run = Run(
        base_model=base_model,
        base_tokens=base_tokens,
        tokens=named,
        probes=probes,
        profile=profile,
        plan=plan,
        baseline=baseline,
        models=checkpoints,
        tables=written,
        state=state,
        learning_rate=learning_rate,
        seed=seed,
        settings=Settings(
            train=settings,
            tokens=token_settings,
            profile=profile_settings,
            plan=plan_settings,
            baseline=baseline_settings,
        ),
    )
    train_periods(run, say)
