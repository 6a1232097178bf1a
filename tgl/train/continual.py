"""Stage `train`: continual pretraining with one method and one seed through all periods, with scores after each."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from tgl.core.code_hash import code_hash
from tgl.core.tables.read import read_table, read_tables
from tgl.core.tables.write import write_table
from tgl.models.checkpoint import copy_model, inspect_model
from tgl.models.fit import check_block_size, check_tokenizer
from tgl.models.folders import local_folder
from tgl.models.model_files import weight_files
from tgl.models.randomness import draws_random_numbers
from tgl.models.sublayers import sublayers
from tgl.models.tokenizer import load_tokenizer
from tgl.plans.plan import load_plan
from tgl.text.tokens import check_packed
from tgl.train.baseline import BASELINES, make_baseline
from tgl.train.period import DONE, train_period
from tgl.train.planning import check_remaking
from tgl.train.processes import first_only, on_first, world_size
from tgl.train.run import Run
from tgl.train.state import claimed_state, damage, remove_state

# These files also determine what the model computes, so a run must not resume after they change.
_DESCRIPTIONS = ("config.json", "tokenizer.json")


def train_periods(run: Run, say: Callable[[str], None] = print) -> None:
    """Train all periods and write every checkpoint and table of `run`.

    With profile.periods 'each', the run measures a new profile before every period after the first and makes a new
    plan from it. With 'first', the plan stays, and only plain training of every sublayer measures new profiles, to
    show the drift. Each period starts with a new optimiser from the weights of the previous period, unless the baseline
    starts from another model. The state folder keeps finished periods, so that an interrupted run resumes.

    Args:
        run: Inputs, settings and outputs.
        say: Called with log lines.

    Raises:
        TglError: A frozen parameter changed. Before any training: the baseline does not support the plan, or base
            model, tokenizer, tokens and block size do not fit together.
    """
    plan = load_plan(run.plan)
    if run.settings.profile.periods == "each":
        check_remaking(plan, run.plan)
    read_table(run.probes, "probes")  # A damaged table must show before any training.
    baseline = make_baseline(run.baseline, run.settings.baseline)
    baseline.check(plan, run.learning_rate)
    tokenizer = _fitting_tokenizer(run)
    say = first_only(say)
    with contextlib.ExitStack() as stack:
        on_first(lambda: stack.enter_context(claimed_state(run.state, _identity(run), _inputs(run), say=say)))
        for number, period in enumerate(run.periods):
            if on_first(lambda number=number: _done(run, number, say)):
                say(f"period {period}: already done")
            else:
                train_period(run, number, plan=plan, baseline=baseline, tokenizer=tokenizer, say=say)
        on_first(lambda: _publish(run))


def _identity(run: Run) -> dict:
    """Return the settings that determine the state of a run."""
    settings = run.settings
    # These settings only change rounding, so a run can resume with others.
    rounding = {"engine", "zero_stage", "offload", "micro_batch_size", "compile", "checkpointing"}
    passes = {}
    if BASELINES.get(run.baseline).depends_on_passes or draws_random_numbers(inspect_model(run.base_model)):
        rounding -= {"micro_batch_size"}
        passes = {"processes": world_size()}
    return passes | {
        "code": code_hash("tgl.train.continual", BASELINES.module(run.baseline)),
        "settings": settings.train.model_dump_json(exclude=rounding | settings.train.without_effect()),
        "profile settings": settings.profile.model_dump_json(),
        "plan settings": settings.plan.model_dump_json(),
        "baseline": run.baseline,
        "baseline settings": settings.baseline.model_dump_json() if settings.baseline else "",
        "block_size": settings.tokens.block_size,
        "learning_rate": run.learning_rate,
        "seed": run.seed,
        "periods": run.periods,
        "tables": sorted(run.tables),  # Finished periods of a run by an older version may lack one.
    }


def _inputs(run: Run) -> dict[str, Path]:
    """Return the files that determine the state of a run."""
    inputs = {
        "plan": run.plan,
        "profile": run.profile,
        "probes": run.probes,
        "base tokens": run.base_tokens,
    }
    folder = local_folder(run.base_model)
    inputs |= {f"base model, {name}": folder / name for name in _DESCRIPTIONS if (folder / name).is_file()}
    weights = weight_files(folder)
    inputs |= {"base model" if len(weights) == 1 else f"base model, {file.name}": file for file in weights}
    return inputs | {f"tokens of {period}": path for period, path in run.tokens.items()}


def _done(run: Run, number: int, say: Callable[[str], None]) -> bool:
    """Return whether a period is done. A damaged period is logged, and removed with all later periods."""
    periods = run.periods
    folder = run.state / periods[number]
    if not (folder / DONE).exists():
        return False
    if (what := damage(folder, folder / DONE)) is None:
        return True
    say(f"{what}; training period {periods[number]} and all later periods again")
    for period in periods[number:]:
        shutil.rmtree(run.state / period, ignore_errors=True)
    return False


def _fitting_tokenizer(run: Run) -> PreTrainedTokenizerBase:
    """Return the base model's tokenizer; raise TglError if it does not fit the model, the tokens or the block size."""
    model = inspect_model(run.base_model)
    sublayers(model)  # Raises TglError for an unknown architecture.
    tokenizer = load_tokenizer(run.base_model)
    check_tokenizer(model, tokenizer)
    check_block_size(model, run.settings.tokens.block_size)
    check_packed([run.base_tokens, *run.tokens.values()], tokenizer)
    return tokenizer


def _publish(run: Run) -> None:
    """Copy the results of the periods from the state folder to their final paths, tables last; remove the folder."""
    for period, target in run.models.items():
        copy_model(run.state / period / "model", target)
    for name in run.tables:
        parts: pa.Table = read_tables(
            [run.state / period / f"{name}.parquet" for period in run.periods], name
        )
        write_table(parts, run.tables[name], name)
    remove_state(run.state)
