"""The command line: one subcommand a stage. Heavy imports happen inside the commands that need them."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import Annotated

import typer

from tgl import config as sections
from tgl.config_check import load_config, load_section
from tgl.errors import TglError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Traced Gradient Layers: gradient profiles, plans and continual pretraining, with their controls.",
)

Config = Annotated[
    str, typer.Option(help="The stage's part of the configuration, as JSON; omitted keys: defaults.")
]
Seed = Annotated[int, typer.Option(help="Fixes initialisation, data order and draws.")]
Threads = Annotated[int, typer.Option(help="Threads of torch.")]
Paths = Annotated[list[Path], typer.Argument()]


def _command(name: str):
    """Register a subcommand that prints a TglError as its message and exits with status 1."""

    def register(function):
        @functools.wraps(function)
        def run(*args, **kwargs):
            try:
                function(*args, **kwargs)
            except TglError as error:
                print(f"tgl {name}: {error}", file=sys.stderr)
                raise typer.Exit(1) from None

        return app.command(name)(run)

    return register


def _say(text: str) -> None:
    print(text, flush=True)


def _torch(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)


@_command("check")
def check(file: Annotated[Path, typer.Argument(help="A configuration, as config.yaml.")]) -> None:
    """Check a configuration file and say everything that is wrong with it."""
    load_config(file)
    _say(f"{file}: valid")


@_command("world")
def world(
    dates: Annotated[list[str], typer.Argument(help="Dates YYYYMMDD, rising.")],
    output: Annotated[Path, typer.Option(help="Folder: <date>/dump, <date>/files.parquet, facts.parquet.")],
    config: Config = "{}",
) -> None:
    """Write the synthetic world as MediaWiki dumps, one a date."""
    from tgl.wiki.catalogue import write_world

    write_world(
        load_section(sections.WorldConfig, config),
        dates,
        [output / date / "dump" for date in dates],
        [output / date / "files.parquet" for date in dates],
        output / "facts.parquet",
    )


@_command("files")
def files(dumps: Paths, output: Annotated[Path, typer.Option()]) -> None:
    """List dump files (path, size, SHA-1) as the table `files`."""
    from tgl.wiki.catalogue import write_files

    write_files(dumps, output)


@_command("download")
def download(
    date: str,
    folder: Annotated[Path, typer.Option(help="Where the dump files go.")],
    output: Annotated[Path, typer.Option(help="The table `files`.")],
    config: Config = "{}",
) -> None:
    """Download the dump of one date, verify it, and list its files."""
    from tgl.wiki.catalogue import write_files
    from tgl.wiki.download import download_dump

    write_files(download_dump(load_section(sections.WikimediaConfig, config), date, folder, _say), output)


@_command("pages")
def pages(
    files: Annotated[Path, typer.Argument(help="The table `files` of the date.")],
    output: Annotated[Path, typer.Option()],
    shard: Annotated[int, typer.Option(help="Number of the shard, from 0.")] = 0,
    previous: Annotated[Path | None, typer.Option(help="The same shard of the date before.")] = None,
    config: Config = "{}",
) -> None:
    """Extract clean text and links of one shard of a snapshot."""
    from tgl.wiki.catalogue import dump_paths
    from tgl.wiki.pages import extract_pages, shard_range

    settings = load_section(sections.PagesConfig, config)
    found = shard_range(shard, settings.shards, settings.pages_per_shard)
    _say(str(extract_pages(dump_paths(files), output, found, previous)))


@_command("base-text")
def base_text(source: Path, output: Annotated[Path, typer.Option()], config: Config = "{}") -> None:
    """Turn JSON lines {id, title, text} into a table `pages`, to pretrain a base model on."""
    from tgl.text.documents import json_lines_to_pages

    json_lines_to_pages(source, output, load_section(sections.TextConfig, config).max_characters)


@_command("diff")
def diff(old: Path, new: Path, output: Annotated[Path, typer.Option()], config: Config = "{}") -> None:
    """Find the new and changed sentences between two tables `pages`."""
    from tgl.diff.snapshots import diff_pages

    _say(str(diff_pages(old, new, output, load_section(sections.TextConfig, config).language)))


@_command("probes")
def probes(
    dates: Annotated[list[str], typer.Argument(help="Dates of the snapshots.")],
    base_pages: Annotated[list[Path], typer.Option(help="Tables `pages` of the base text.")],
    output: Annotated[Path, typer.Option()],
    facts: Annotated[Path | None, typer.Option(help="The synthetic world's table `facts`.")] = None,
    holdout_share: Annotated[float, typer.Option()] = sections.TextConfig().holdout_share,
    config: Config = "{}",
) -> None:
    """Write the salient spans of every configured set."""
    from tgl.probes.stage import write_probes

    write_probes(load_section(sections.ProbesConfig, config), dates, holdout_share, base_pages, facts, output)


@_command("tokenizer")
def tokenizer(
    pages: Paths,
    output: Annotated[Path, typer.Option(help="Folder.")],
    holdout_share: Annotated[float, typer.Option()] = sections.TextConfig().holdout_share,
    config: Config = "{}",
) -> None:
    """Train a tokenizer on the base text, or put the configured one into the folder."""
    from tgl.text.stage import write_tokenizer

    write_tokenizer(pages, load_section(sections.TokensConfig, config), holdout_share, output)


@_command("pack")
def pack(
    tables: Paths,
    kind: Annotated[str, typer.Option(help="What the tables are: pages or diff.")],
    tokenizer: Annotated[Path, typer.Option(help="Folder of the tokenizer.")],
    output: Annotated[Path, typer.Option()],
    holdout_share: Annotated[float, typer.Option()] = sections.TextConfig().holdout_share,
    config: Config = "{}",
) -> None:
    """Tokenise text and pack it into blocks."""
    from tgl.text.stage import write_packed

    write_packed(
        tables, kind, tokenizer, load_section(sections.TokensConfig, config).block_size, holdout_share, output
    )


@_command("base")
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
) -> None:
    """Pretrain the base model, or load and adapt one."""
    from tgl.train.base import train_base

    _torch(threads)
    train_base(
        tokenizer,
        tokens,
        load_section(sections.ModelConfig, config),
        load_section(sections.TokensConfig, token_config),
        load_section(sections.TrainConfig, engine_config),
        seed,
        output,
        steps,
        state,
        _say,
    )


@_command("score")
def score(
    model: Path,
    probes: Annotated[Path, typer.Option()],
    text: Annotated[list[str], typer.Option(help="NAME=TABLE of tokens; its held-out part is scored.")],
    scores: Annotated[Path, typer.Option()],
    lm_loss: Annotated[Path, typer.Option()],
    checkpoint: Annotated[str, typer.Option(help="Name of the checkpoint in the tables.")],
    config: Config = "{}",
    threads: Threads = 1,
) -> None:
    """Score the test probes and the held-out texts of a checkpoint."""
    from tgl.evaluate.stage import score_checkpoint
    from tgl.text.tokens import load_tokenizer
    from tgl.train.checkpoint import load_model

    _torch(threads)
    block_size = load_section(sections.TokensConfig, config).block_size
    score_checkpoint(
        load_model(model),
        load_tokenizer(model),
        probes,
        _named(text),
        checkpoint,
        block_size,
        scores,
        lm_loss,
    )


@_command("profile")
def profile(
    model: Annotated[str, typer.Argument(help="Folder or Hugging Face name of a causal language model.")],
    probes: Annotated[Path, typer.Option()],
    tokens: Annotated[Path, typer.Option(help="The table `tokens` of the pretraining text.")],
    period: Annotated[str, typer.Option(help="Period whose validation probes are taken.")],
    norms: Annotated[Path, typer.Option()],
    output: Annotated[Path, typer.Option(help="The table `profile`.")],
    seed: Seed = 0,
    config: Config = "{}",
    threads: Threads = 1,
) -> None:
    """Measure gradient norms by sublayer, for salient spans and every control."""
    from tgl.profile.stage import profile_model

    _torch(threads)
    settings = load_section(sections.ProfileConfig, config)
    profile_model(model, probes, tokens, period, settings, seed, norms, output, _say)


@_command("plan")
def plan(
    profile: Path,
    method: Annotated[str, typer.Option()],
    output: Annotated[Path, typer.Option()],
    seed: Seed = 0,
    config: Config = "{}",
) -> None:
    """Turn a profile into a learning-rate multiplier per sublayer."""
    from tgl.plan_stage import write_plan

    _say(write_plan(profile, method, load_section(sections.PlanConfig, config), seed, output))


@_command("train")
def train(
    base_model: Path,
    base_tokens: Annotated[Path, typer.Option()],
    tokens: Annotated[list[str], typer.Option(help="PERIOD=TABLE, in order.")],
    probes: Annotated[Path, typer.Option()],
    plan: Annotated[Path, typer.Option()],
    models: Annotated[Path, typer.Option(help="Folder: <period>/model.safetensors and configs.")],
    tables: Annotated[Path, typer.Option(help="Folder: scores, lm_loss, steps and rates.")],
    state: Annotated[Path, typer.Option(help="Folder to go on from after an interruption.")],
    learning_rate: Annotated[float, typer.Option()],
    seed: Seed = 0,
    config: Config = "{}",
    token_config: Config = "{}",
    threads: Threads = 1,
) -> None:
    """Continual pretraining by one plan through all periods, scored after each."""
    from tgl.train.continual import TABLES, Run, train_periods

    _torch(threads)
    named = _named(tokens)
    run = Run(
        base_model=base_model,
        base_tokens=base_tokens,
        tokens=named,
        probes=probes,
        plan=plan,
        models={period: models / period for period in named},
        tables={name: tables / f"{name}.parquet" for name in TABLES},
        state=state,
        learning_rate=learning_rate,
        seed=seed,
    )
    settings = load_section(sections.TrainConfig, config)
    train_periods(run, settings, load_section(sections.TokensConfig, token_config), _say)


@_command("report")
def report(
    results: Annotated[Path, typer.Argument(help="The experiment's folder of results.")],
    output: Annotated[Path, typer.Option(help="Folder of the report.")],
    config: Config,
) -> None:
    """Write the report: index.html, examples.html, figures, measures.csv, gate.json."""
    from tgl.report.stage import write_report

    write_report(results, load_section(sections.Config, config), output)


@_command("gate")
def gate(file: Annotated[Path, typer.Argument(help="gate.json of a report.")], binding: bool = True) -> None:
    """Fail when a gate of the report was missed (with --no-binding: only say so)."""
    from tgl.report.gate import check_gate

    _say(check_gate(file, binding))


def _named(pairs: list[str]) -> dict[str, Path]:
    found = {}
    for pair in pairs:
        name, equals, path = pair.partition("=")
        if not equals:
            raise TglError(f"'{pair}': NAME=PATH expected")
        found[name] = Path(path)
    return found
