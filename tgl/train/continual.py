"""Stage `train`: continual pretraining by one method and one seed through all periods, scored on the way."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable

import pyarrow as pa
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from tgl.fit import check_block_size, check_tokenizer
from tgl.model_files import local_folder, weight_files
from tgl.plans.plan import load_plan
from tgl.sublayers import sublayers
from tgl.tables import read_table, read_tables, write_table
from tgl.text.tokens import check_packed, load_tokenizer
from tgl.train.baselines import make_baseline
from tgl.train.checkpoint import copy_model, inspect_model
from tgl.train.period import DONE, train_period
from tgl.train.planning import check_remaking
from tgl.train.processes import first_only, on_first
from tgl.train.run import TABLES, Run, Settings
from tgl.train.state import claimed_state, damage, remove_state

# What a model computes depends on these files too, and a run must not go on after they have changed.
_DESCRIPTIONS = ("config.json", "tokenizer.json")


def train_periods(run: Run, settings: Settings, say: Callable[[str], None] = print) -> None:
    """Train period after period and write every checkpoint and table of `run`.

    With profile.periods 'each' the run profiles itself before every period after the first and plans anew; with
    'first' only plain training of every sublayer does, to show the drift, and the plan stays. Each period starts
    from the weights of the one before, where the baseline does not say otherwise, with a new optimiser. A period
    that is done is kept in the state folder, so that an interrupted run goes on where it was. Raises TglError when
    a frozen parameter changed, and, before anything is trained, when baseline and plan do not go together and when
    base model, tokenizer, tokens and block size do not fit together.
    """
    plan = load_plan(run.plan)
    if settings.profile.periods == "each":
        check_remaking(plan, run.plan)
    read_table(run.probes, "probes")  # refused before anything is trained
    baseline = make_baseline(run.baseline, settings.baselines)
    baseline.check(plan, run.learning_rate)
    tokenizer = _fitting_tokenizer(run, settings.tokens.block_size)
    identity = {
        # Not what changes rounding only: a run goes on under another engine, stage or size of passes.
        "settings": settings.train.model_dump_json(
            exclude={"engine", "zero_stage", "offload", "micro_batch_size"}
        ),
        "profile settings": settings.profile.model_dump_json(),
        "plan settings": settings.plan.model_dump_json(),
        "baseline": run.baseline,
        "baseline settings": baseline.settings_json(),
        "block_size": settings.tokens.block_size,
        "learning_rate": run.learning_rate,
        "seed": run.seed,
        "periods": list(run.tokens),
    }
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
    inputs |= {f"tokens of {period}": path for period, path in run.tokens.items()}
    say = first_only(say)
    with contextlib.ExitStack() as stack:
        on_first(lambda: stack.enter_context(claimed_state(run.state, identity, inputs, say)))
        for number, period in enumerate(run.tokens):
            if on_first(lambda number=number: _done(run, number, say)):
                say(f"period {period}: done before")
            else:
                train_period(run, plan, baseline, number, tokenizer, settings, say)
        on_first(lambda: _publish(run))


def _done(run: Run, number: int, say: Callable[[str], None]) -> bool:
    """Tell whether a period is done. One that was and is damaged is reported and removed, with those after it."""
    periods = list(run.tokens)
    folder = run.state / periods[number]
    if not (folder / DONE).exists():
        return False
    if (what := damage(folder, folder / DONE)) is None:
        return True
    say(f"{what}; period {periods[number]} and what follows is done again")
    for period in periods[number:]:
        shutil.rmtree(run.state / period, ignore_errors=True)
    return False


def _fitting_tokenizer(run: Run, block_size: int) -> PreTrainedTokenizerBase:
    """Return the base model's tokenizer; raise TglError where it, the model, the tokens and `block_size` do not fit."""
    model = inspect_model(run.base_model)
    sublayers(model)  # refuses an architecture whose blocks are not known
    tokenizer = load_tokenizer(run.base_model)
    check_tokenizer(model, tokenizer)
    check_block_size(model, block_size)
    check_packed([run.base_tokens, *run.tokens.values()], tokenizer)
    return tokenizer


def _publish(run: Run) -> None:
    """Copy what the periods left in the state folder to the declared paths, tables last, and remove the folder."""
    for period, target in run.models.items():
        copy_model(run.state / period / "model", target)
    for name in TABLES:
        parts: pa.Table = read_tables([run.state / period / f"{name}.parquet" for period in run.tokens], name)
        write_table(parts, run.tables[name], name)
    remove_state(run.state)
