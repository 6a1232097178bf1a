"""Stage `train`: continual pretraining by one plan and one seed through all periods, scored on the way."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from transformers import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from tgl.config import PlanConfig, ProfileConfig, TokensConfig, TrainConfig
from tgl.errors import TglError, nearest
from tgl.evaluate.stage import score_checkpoint
from tgl.files import write_text
from tgl.plan import Plan, load_plan
from tgl.plan_stage import units_of
from tgl.policies import METHODS, make_plan
from tgl.profiling.retrace import retrace
from tgl.sublayers import sublayers
from tgl.tables import read_table, read_tables, write_table
from tgl.text.tokens import load_tokenizer, read_stream
from tgl.train.checkpoint import copy_model, load_model, max_changes, prove_frozen, save_model, snapshot
from tgl.train.engines import make_engine
from tgl.train.groups import freeze, parameter_groups
from tgl.train.loop import train
from tgl.train.state import claimed_state
from tgl.train.stream import TokenStream

TABLES = ("scores", "lm_loss", "steps", "rates", "drift")


@dataclass(frozen=True)
class Run:
    """What one run trains on and where it writes.

    profile: the table `profile` that the plan was made from; tokens: table `tokens` by period, in order; models:
    the checkpoint folder of each period; tables: the path of each table of `TABLES`; state: the folder it may go
    on from.
    """

    base_model: Path
    base_tokens: Path
    tokens: Mapping[str, Path]
    probes: Path
    profile: Path
    plan: Path
    models: Mapping[str, Path]
    tables: Mapping[str, Path]
    state: Path
    learning_rate: float
    seed: int


@dataclass(frozen=True)
class Settings:
    """The sections of the configuration that a run depends on."""

    train: TrainConfig
    tokens: TokensConfig
    profile: ProfileConfig
    plan: PlanConfig


def train_periods(run: Run, settings: Settings, say: Callable[[str], None] = print) -> None:
    """Train period after period and write every checkpoint and table of `run`.

    With profile.periods 'each' the run profiles itself before every period after the first and plans anew; with
    'first' only a run that trains every sublayer does, to show the drift, and the plan stays. Each period starts
    from the weights of the one before with a new optimiser. A period that is done is kept in the state folder,
    so that an interrupted run goes on where it was. Raises TglError when a frozen parameter changed.
    """
    plan = load_plan(run.plan)
    if settings.profile.periods == "each" and plan.method not in METHODS:
        raise TglError(
            f"{run.plan}: profile.periods 'each' makes the plan anew, and no policy is called '{plan.method}'"
            f"{nearest(plan.method, METHODS)}; known: {', '.join(METHODS)}"
        )
    identity = {
        "settings": settings.train.model_dump_json(),
        "profile settings": settings.profile.model_dump_json(),
        "plan settings": settings.plan.model_dump_json(exclude={"methods"}),
        "block_size": settings.tokens.block_size,
        "learning_rate": run.learning_rate,
        "seed": run.seed,
        "periods": list(run.tokens),
    }
    inputs = {
        "plan": run.plan,
        "profile": run.profile,
        "probes": run.probes,
        "base model": run.base_model / "model.safetensors",
    }
    inputs |= {"base tokens": run.base_tokens}
    inputs |= {f"tokens of {period}": path for period, path in run.tokens.items()}
    with claimed_state(run.state, identity, inputs, say):
        tokenizer = load_tokenizer(run.base_model)
        before = run.base_model
        for number, period in enumerate(run.tokens):
            folder = run.state / period
            if (folder / "done").is_file():
                say(f"period {period}: done before")
            else:
                _train_period(run, plan, period, number, before, folder, tokenizer, settings, say)
            before = folder / "model"
        _publish(run)
    shutil.rmtree(run.state)


def _train_period(
    run: Run,
    plan: Plan,
    period: str,
    number: int,
    before: Path,
    folder: Path,
    tokenizer: PreTrainedTokenizerBase,
    settings: Settings,
    say: Callable[[str], None],
) -> None:
    model = load_model(before)
    plan, drift = _planned(run, plan, period, number, model, tokenizer, settings)
    units = sublayers(model)
    frozen = freeze(model, plan)
    start = snapshot(units)
    say(
        f"period {period}: {len(units) - len(frozen)} of {len(units)} units trained, frozen: "
        + (", ".join(unit.name for unit in frozen) or "none")
    )
    groups = parameter_groups(units, plan, run.learning_rate, settings.train.weight_decay)
    engine = make_engine(settings.train.engine, model, groups, settings.train, settings.train.zero_stage)
    # Each period has a data order of its own, fixed by the run's seed.
    stream = TokenStream(
        read_stream(run.tokens[period], "train"), tokenizer.eos_token_id, run.seed * 1000 + number + 1
    )
    log = train(
        engine,
        stream,
        settings.train,
        settings.tokens.block_size,
        folder / "training",
        settings.train.checkpoint_steps,
        say,
    )
    prove_frozen(frozen, start)
    changes = max_changes(units, start)
    save_model(model, tokenizer, folder / "model")
    rates = [
        {
            "period": period,
            "step": step,
            "sublayer": unit.name,
            "learning_rate": found.get(unit.name, 0.0),
            "max_change": changes[unit.name],
        }
        for step, found in sorted(log.rates.items())
        for unit in units
    ]
    _score(run, model, tokenizer, period, folder, settings.tokens.block_size)
    write_table(drift, folder / "drift.parquet", "drift")
    write_table([{"period": period, **row} for row in log.steps], folder / "steps.parquet", "steps")
    write_table(rates, folder / "rates.parquet", "rates")
    shutil.rmtree(folder / "training", ignore_errors=True)
    write_text(folder / "done", json.dumps({"period": period}))


def _planned(
    run: Run,
    plan: Plan,
    period: str,
    number: int,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    settings: Settings,
) -> tuple[Plan, list[dict]]:
    """Return the plan of a period and the rows of `drift`; the first period's come from the base model's profile."""
    anew = number > 0 and settings.profile.periods == "each"
    if number == 0:
        rows = read_table(run.profile, "profile").to_pylist()
    elif anew or plan.method == "full":
        probes, stream = read_table(run.probes, "probes").to_pylist(), read_stream(run.base_tokens, "train")
        rows = retrace(model, tokenizer, probes, stream, period, settings.profile, settings.plan, run.seed)
    else:
        return plan, []
    units = units_of(rows, settings.plan, str(run.profile))
    if anew:
        plan = make_plan(plan.method, units, settings.plan, run.seed)
    found = {
        row["sublayer"]: row
        for row in rows
        if (row["weights"], row["group"], row["denominator"])
        == ("trained", settings.plan.salient, settings.plan.denominator)
    }
    return plan, [
        {
            "period": period,
            "sublayer": unit.name,
            **{key: found[unit.name][key] for key in ("relative_norm", "low", "high")},
            "multiplier": plan.of(unit.name),
        }
        for unit in units
    ]


def _score(
    run: Run,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    period: str,
    folder: Path,
    block_size: int,
) -> None:
    texts = {"base": run.base_tokens, **run.tokens}
    score_checkpoint(
        model,
        tokenizer,
        run.probes,
        texts,
        period,
        block_size,
        folder / "scores.parquet",
        folder / "lm_loss.parquet",
    )


def _publish(run: Run) -> None:
    """Copy what the periods left in the state folder to the declared paths, tables last."""
    for period, target in run.models.items():
        copy_model(run.state / period / "model", target)
    for name in TABLES:
        parts: pa.Table = read_tables([run.state / period / f"{name}.parquet" for period in run.tokens], name)
        write_table(parts, run.tables[name], name)
