"""One period of a run: plan, train, check the frozen weights, score, and write to the period's state folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import torch
from transformers import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from tgl.core.errors import TglError
from tgl.core.tables.read import read_table
from tgl.core.tables.write import write_table
from tgl.evaluate.stage import score_checkpoint
from tgl.models.checkpoint import load_model, max_changes, prove_frozen, save_model, snapshot
from tgl.models.matrices import units_named
from tgl.plans.plan import Plan
from tgl.train.baseline import Baseline, Feed, Prepared, Start
from tgl.train.engines import Engine, make_engine
from tgl.train.loop import Steps, train
from tgl.train.metrics import tracked
from tgl.train.planning import drift_rows, plan_again, profile_again
from tgl.train.processes import on_first
from tgl.train.progress import TrainingLog
from tgl.train.run import Period, Run
from tgl.train.state import seal
from tgl.train.step_scores import StepScores

DONE = "done"  # This file marks the folder of a period as complete and holds its checksums.
Say = Callable[[str], None]


def train_period(
    run: Run, number: int, *, plan: Plan, baseline: Baseline, tokenizer: PreTrainedTokenizerBase, say: Say
) -> None:
    """Train one period, and write model, tables and the file `done` to its state folder.

    Args:
        run: Inputs, settings and outputs of the run.
        number: Number of the period, from 0.
        plan: The plan of the run's first period.
        baseline: The baseline.
        tokenizer: The tokenizer.
        say: Called with log lines.
    """
    period, drift = _begun(run, number, plan, baseline=baseline, tokenizer=tokenizer, say=say)
    baseline.check(period.plan, run.learning_rate)
    prepared = baseline.prepare(period)
    before = snapshot(prepared.units)
    feed = baseline.stream(period)
    names = [unit.name for unit in prepared.units if unit.name not in prepared.trained]
    say(
        f"period {period.name}: {len(prepared.trained)} of {len(prepared.units)} units trained, frozen: "
        + (", ".join(names) or "none")
    )
    scores = StepScores(period, prepared.module, num_steps=feed.num_steps, say=say)
    log = _trained(period, baseline, prepared, feed=feed, scores=scores, say=say)
    on_first(scores.write)
    on_first(lambda: _leave(period, baseline, prepared, before=before, log=log, drift=drift))


def _begun(
    run: Run, number: int, plan: Plan, *, baseline: Baseline, tokenizer: PreTrainedTokenizerBase, say: Say
) -> tuple[Period, list[dict]]:
    """Return the period with its model and plan, and the rows of the table `drift`."""
    previous = run.state / run.periods[number - 1] / "model" if number else run.base_model
    start = baseline.start if number else Start.BASE
    model = load_model(previous if start is Start.PREVIOUS else run.base_model, say=say)
    # With BASE_AND_KEPT, training starts from the base model, but the profile is that of the previous period's model.
    profiled = load_model(previous, say=say) if start is Start.BASE_AND_KEPT else model
    period = Period(run, number, model, tokenizer, plan)
    period.plan, drift = on_first(lambda: _planned(period, profiled, say))
    return period, drift


def _trained(
    period: Period, baseline: Baseline, prepared: Prepared, *, feed: Feed, scores: StepScores, say: Say
) -> TrainingLog:
    """Run all steps of a period. Each phase of the plan has its own engine."""
    regulariser = baseline.regulariser(period, prepared)
    schedule = period.settings.model_copy(update={"steps": feed.num_steps})

    def engine_of(phase: Plan) -> Callable[[], Engine]:
        def make() -> Engine:
            groups = prepared.groups(phase)
            return make_engine(
                prepared.module,
                groups,
                schedule,
                engine=period.settings,
                regulariser=regulariser,
                seed=period.seed,
            )

        return make

    steps = Steps(
        phases=[(first, engine_of(phase)) for first, phase in period.plan.schedule(feed.num_steps)],
        stream=feed.stream,
        settings=schedule,
        block_size=period.block_size,
    )

    def after(done: int) -> None:
        on_first(lambda: scores.score(done))

    done = [period.run.state / name / "steps.parquet" for name in period.run.periods[: period.number]]
    earlier = sum(read_table(path, "steps").num_rows for path in done)
    with tracked(period.run.state, say) as track:
        log = train(
            steps,
            period.folder / "training",
            save_every=period.settings.checkpoint_steps,
            say=say,
            look=after,
            look_at=scores.steps,
            metrics=lambda step, values: track(earlier + step, values),
        )
    after(feed.num_steps)
    clipped = sum(row["gradient_norm"] > schedule.clip_norm for row in log.steps)
    say(f"gradients clipped in {clipped} of {feed.num_steps} steps of period {period.name}")
    return log


def _leave(
    period: Period,
    baseline: Baseline,
    prepared: Prepared,
    *,
    before: dict[str, torch.Tensor],
    log: TrainingLog,
    drift: list[dict],
) -> None:
    """Check the frozen units against `before`, score the trained model, and write all results to the folder."""
    folder, run = period.folder, period.run
    model = baseline.finish(period, prepared)
    units = units_named(model, prepared.trained)
    prove_frozen([unit for unit in units if unit.name not in prepared.trained], before)
    changes = max_changes(units, before)
    save_model(model, period.tokenizer, folder / "model")
    score_checkpoint(
        model,
        period.tokenizer,
        probes=run.probes,
        texts={"base": run.base_tokens, **run.tokens},
        checkpoint=period.name,
        block_size=period.block_size,
        folder=folder,
    )
    write_table(drift, folder / "drift.parquet", "drift")
    write_table([{"period": period.name, **row} for row in log.steps], folder / "steps.parquet", "steps")
    write_table(_rates(period.name, log, changes), folder / "rates.parquet", "rates")
    for done in ("training", "scored"):
        shutil.rmtree(folder / done, ignore_errors=True)
    seal(folder, folder / DONE)


def _rates(period: str, log: TrainingLog, changes: dict[str, float]) -> list[dict]:
    """Return the rows of the table `rates`: the rate of each unit at the logged steps, and its largest change."""
    return [
        {
            "period": period,
            "step": step,
            "sublayer": unit,
            "learning_rate": rates.get(unit, 0.0),
            "max_change": change,
        }
        for step, rates in sorted(log.rates.items())
        for unit, change in changes.items()
    ]


def _planned(period: Period, model: PreTrainedModel, say: Say) -> tuple[Plan, list[dict]]:
    """Return the plan of a period and the rows of the table `drift`.

    The first period uses the base model's profile. If the drift is only recorded and the plan does not need it, a
    period with too few probes is skipped and logged.
    """
    run, plan, settings = period.run, period.plan, period.run.settings
    plans_again = period.number > 0 and settings.profile.periods == "each"
    origin = str(run.profile)
    if period.number == 0:
        rows = read_table(run.profile, "profile").to_pylist()
    elif plans_again or (plan.method, run.baseline) == ("full", "plain"):
        try:
            rows = profile_again(period, model)
        except TglError as error:
            if plans_again:
                raise
            say(f"period {period.name}: skipping the drift measurement: {error}")
            return plan, []
    else:
        return plan, []
    if plans_again:
        plan = plan_again(period, rows, model, origin=origin)
    return plan, drift_rows(plan, rows, period.name, settings=settings.plan, origin=origin)
