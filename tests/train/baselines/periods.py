"""One period of one baseline on a tiny model, without tables and files, as plain functions."""

import dataclasses
import functools

import torch

from tests.model_fixtures import BLOCK, plan_of, settings_of, some_tokens, tiny_model
from tgl.config_baselines import BaselinesConfig
from tgl.train.baselines import make_baseline
from tgl.train.baselines.plain import Period
from tgl.train.engines import make_engine
from tgl.train.schedule import factor

EVERYTHING = plan_of([1.0] * 4, 1.0)


def baseline_of(name, **changes):
    """Return a baseline by its name, with other settings than the default ones."""
    default = BaselinesConfig()
    section = getattr(default, name).model_copy(update=changes) if changes else None
    return make_baseline(name, default.model_copy(update={name: section}) if section else default)


def period_of(plan, model=None, **changes):
    """Return a first period; new and old text differ in their tokens."""
    period = Period(
        number=0,
        model=tiny_model() if model is None else model,
        plan=plan,
        new=some_tokens(400, seed=1),
        old=some_tokens(600, seed=9),
        end_token=0,
        settings=settings_of(),
        block_size=BLOCK,
        learning_rate=0.01,
        seed=1,
        previous=None,
    )
    return dataclasses.replace(period, **changes)


def in_two_phases(first, second, share=0.5):
    """Return the plan that trains by one list of multipliers and, from a share of the run on, by another."""
    later = [{"from": share, "multipliers": plan_of(second).multipliers}]
    return dataclasses.replace(plan_of(first), later=later)


def trained(baseline, period):
    """Train the period as `tgl.train.period` does; return the finished model, each step's result and its rates."""
    module, regulariser = baseline.module(period), baseline.regulariser(period)
    stream, steps = baseline.stream(period), baseline.num_steps(period)
    settings = period.settings.model_copy(update={"steps": steps})
    phases = period.plan.phases(steps)
    results, rates = [], []
    for (first, phase), (end, _) in zip(phases, [*phases[1:], (steps, None)], strict=True):
        engine = make_engine(module, baseline.groups(period, phase), settings, settings, regulariser)
        for step in range(first, end):
            tokens = torch.from_numpy(stream.batch(step, settings.batch_size, BLOCK))
            results.append(engine.step(tokens, step, factor(step, settings)))
            rates.append(engine.rates())
    return baseline.finished(period), results, rates


@functools.cache
def plain_losses(steps, rate=0.01):
    """Return the losses of plain training of everything on the default period."""
    period = period_of(EVERYTHING, settings=settings_of(steps=steps), learning_rate=rate)
    return [result.loss for result in trained(baseline_of("plain"), period)[1]]
