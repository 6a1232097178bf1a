"""One period of a run: plan, train, prove, score, into the period's folder of the run's state."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from tgl.errors import TglError
from tgl.evaluate.stage import score_checkpoint
from tgl.plans.plan import Plan
from tgl.sublayers import sublayers
from tgl.tables import read_table, write_table
from tgl.text.tokens import read_stream
from tgl.train.baselines.plain import Period, Plain
from tgl.train.checkpoint import load_model, max_changes, prove_frozen, save_model, snapshot
from tgl.train.engines import Engine, make_engine
from tgl.train.loop import train
from tgl.train.planning import drift_rows, plan_again, profile_again
from tgl.train.processes import on_first
from tgl.train.progress import TrainingLog
from tgl.train.run import Run, Settings
from tgl.train.state import seal

DONE = "done"  # the file that seals the folder of a period


def train_period(
    run: Run,
    first_plan: Plan,
    baseline: Plain,
    number: int,
    tokenizer: PreTrainedTokenizerBase,
    settings: Settings,
    say: Callable[[str], None],
) -> None:
    """Train period `number` (from 0) and leave model, tables and the file `done` in its folder of the state."""
    names = list(run.tokens)
    name = names[number]
    folder = run.state / name
    before = run.state / names[number - 1] / "model" if number else run.base_model
    model = load_model(run.base_model if baseline.starts_from_base(number) else before, say=say)
    old = read_stream(run.base_tokens, "train")
    # A kept adapter is put on the base model's weights: what is profiled is the model that goes on.
    goes_on = baseline.starts_from_base(number) and not baseline.begins_anew(number)
    profiled = load_model(before, say=say) if goes_on else model
    plan, drift = on_first(
        lambda: _planned(run, first_plan, name, number, profiled, tokenizer, old, settings, say)
    )
    baseline.check(plan, run.learning_rate)
    period = Period(
        number=number,
        model=model,
        plan=plan,
        new=read_stream(run.tokens[name], "train"),
        old=np.concatenate([old, *(read_stream(run.tokens[earlier], "train") for earlier in names[:number])]),
        end_token=tokenizer.eos_token_id,
        settings=settings.train,
        block_size=settings.tokens.block_size,
        learning_rate=run.learning_rate,
        # Each period has a data order of its own, fixed by the run's seed.
        seed=run.seed * 1000 + number + 1,
        previous=run.state / names[number - 1] if number else None,
    )
    module = baseline.module(period)
    units = baseline.units(period)
    start = snapshot(units)
    regulariser = baseline.regulariser(period)
    steps = baseline.num_steps(period)
    schedule = settings.train.model_copy(update={"steps": steps})
    trained = baseline.trained(plan)
    say(
        f"period {name}: {len(trained)} of {len(units)} units trained, frozen: "
        + (", ".join(unit.name for unit in units if unit.name not in trained) or "none")
    )

    def engine_of(phase: Plan) -> Callable[[], Engine]:
        def make() -> Engine:
            groups = baseline.groups(period, phase)
            return make_engine(module, groups, schedule, settings.train, regulariser, seed=period.seed)

        return make

    log = train(
        [(first, engine_of(phase)) for first, phase in plan.phases(steps)],
        baseline.stream(period),
        schedule,
        settings.tokens.block_size,
        folder / "training",
        settings.train.checkpoint_steps,
        say,
    )
    on_first(lambda: _leave(run, settings, baseline, period, tokenizer, start, log, drift))


def _leave(
    run: Run,
    settings: Settings,
    baseline: Plain,
    period: Period,
    tokenizer: PreTrainedTokenizerBase,
    start: dict[str, torch.Tensor],
    log: TrainingLog,
    drift: list[dict],
) -> None:
    """Prove what was frozen, score the trained model, and leave all of the period in its folder.

    start: every parameter as it was before the first step.
    """
    name = list(run.tokens)[period.number]
    folder, trained = run.state / name, baseline.trained(period.plan)
    baseline.save(period, folder)
    model = baseline.finished(period)
    prove_frozen([unit for unit in sublayers(model) if unit.name not in trained], start)
    changes = max_changes(sublayers(model), start)
    save_model(model, tokenizer, folder / "model")
    rates = [
        {
            "period": name,
            "step": step,
            "sublayer": unit,
            "learning_rate": found.get(unit, 0.0),
            "max_change": change,
        }
        for step, found in sorted(log.rates.items())
        for unit, change in changes.items()
    ]
    score_checkpoint(
        model,
        tokenizer,
        run.probes,
        {"base": run.base_tokens, **run.tokens},
        name,
        settings.tokens.block_size,
        folder / "scores.parquet",
        folder / "lm_loss.parquet",
    )
    write_table(drift, folder / "drift.parquet", "drift")
    write_table([{"period": name, **row} for row in log.steps], folder / "steps.parquet", "steps")
    write_table(rates, folder / "rates.parquet", "rates")
    shutil.rmtree(folder / "training", ignore_errors=True)
    seal(folder, folder / DONE)


def _planned(
    run: Run,
    plan: Plan,
    period: str,
    number: int,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    stream: np.ndarray,
    settings: Settings,
    say: Callable[[str], None],
) -> tuple[Plan, list[dict]]:
    """Return the plan of a period and the rows of `drift`; the first period's come from the base model's profile.

    Where the drift is measured for the record alone, a period with too few probes for it is passed over and said.
    """
    anew = number > 0 and settings.profile.periods == "each"
    if number == 0:
        rows = read_table(run.profile, "profile").to_pylist()
    elif anew or (plan.method, run.baseline) == ("full", "plain"):
        probes = Path(run.probes)
        both = (settings.profile, settings.plan)
        try:
            rows = profile_again(plan, model, tokenizer, probes, stream, period, both, run.seed)
        except TglError as error:
            if anew:
                raise
            say(f"period {period}: the drift is not measured: {error}")
            return plan, []
    else:
        return plan, []
    if anew:
        plan = plan_again(plan, rows, model, settings.plan, run.seed, str(run.profile))
    return plan, drift_rows(plan, rows, period, settings.plan, str(run.profile))
