"""One period of one baseline on a tiny model, without tables and files, as plain functions."""

import dataclasses
import functools
import tempfile
from pathlib import Path

import torch

from tests.support.model_fixtures import BLOCK, plan_of, settings_of, some_tokens, tiny_model, tiny_tokenizer
from tests.train.continual_runs import SETTINGS, run_of
from tgl.plans.plan import Phase
from tgl.train.baseline import BASELINES, make_baseline
from tgl.train.engines import make_engine
from tgl.train.run import Period
from tgl.train.schedule import factor

EVERYTHING = plan_of([1.0] * 4, 1.0)


def baseline_of(name, **changes):
    """Return a baseline by its name, with other settings than the default ones."""
    return make_baseline(name, BASELINES.get(name).Settings(**changes) if changes else None)


def period_of(plan, model=None, *, number=0, seed=0, new=None, old=None, settings=None, learning_rate=0.01):
    """Return a period, the first one unless told; new and old text differ in their tokens. seed: the run's."""
    nowhere = Path("nowhere")
    run = run_of(
        nowhere,
        nowhere,
        learning_rate=learning_rate,
        seed=seed,
        settings=dataclasses.replace(SETTINGS, train=settings_of() if settings is None else settings),
    )
    period = Period(run, number, tiny_model() if model is None else model, tiny_tokenizer(), plan)
    period.new = some_tokens(400, seed=1) if new is None else new
    period.old = some_tokens(600, seed=9) if old is None else old
    return period


def in_two_phases(first, second, share=0.5):
    """Return the plan that trains by one list of multipliers and, from a share of the run on, by another."""
    return dataclasses.replace(plan_of(first), later=(Phase(share, plan_of(second).multipliers),))


def regulariser_of(baseline, period):
    """Return what the baseline adds to each step of a period."""
    return baseline.regulariser(period, baseline.prepare(period))


def trained(baseline, period):
    """Train the period as `tgl.train.period` does; return the finished model, each step's result and its rates."""
    prepared, feed = baseline.prepare(period), baseline.stream(period)
    regulariser = baseline.regulariser(period, prepared)
    settings = period.settings.model_copy(update={"steps": feed.num_steps})
    phases = period.plan.schedule(feed.num_steps)
    results, rates = [], []
    for (first, phase), (end, _) in zip(phases, [*phases[1:], (feed.num_steps, None)], strict=True):
        engine = make_engine(
            prepared.module, prepared.groups(phase), settings, engine=settings, regulariser=regulariser
        )
        for step in range(first, end):
            tokens = torch.from_numpy(feed.stream.batch(step, settings.batch_size, BLOCK))
            results.append(engine.step(tokens, step, factor(step, settings)))
            rates.append(engine.rates())
    with tempfile.TemporaryDirectory() as state:  # what the next period would need
        period.run = dataclasses.replace(period.run, state=Path(state))
        return baseline.finish(period, prepared), results, rates


@functools.cache
def plain_losses(steps, rate=0.01):
    """Return the losses of plain training of everything on the default period."""
    period = period_of(EVERYTHING, settings=settings_of(steps=steps), learning_rate=rate)
    return [result.loss for result in trained(baseline_of("plain"), period)[1]]
