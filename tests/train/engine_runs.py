"""Engines on the tiny model, and their steps on the same data."""

import pytest
import torch

from tests.support.model_fixtures import BLOCK, plan_of, settings_of, some_tokens, tiny_model
from tgl.models.sublayers import sublayers
from tgl.plans.apply import freeze, parameter_groups
from tgl.train.engines import make_engine
from tgl.train.schedule import factor
from tgl.train.stream import TokenStream

PARTLY = plan_of([0.0, 1.5, 0.5, 0.0])
ENGINES = ["plain", "deepspeed"]


def engine_of(name, plan=PARTLY, kind="gpt2", rate=0.01, zero_stage=1, **changes):
    settings = settings_of(engine=name, zero_stage=zero_stage, **changes)
    model = tiny_model(kind)
    freeze(model, plan)
    groups = parameter_groups(sublayers(model), plan, rate, weight_decay=settings.weight_decay)
    return make_engine(model, groups, settings, engine=settings), model, settings


def assert_steps(found, expected, engine):
    """Check what tests/train/process_program.py wrote: the steps of one process, and its rates."""
    assert found["processes"] == 2
    assert [r["loss"] for r in found["results"]] == pytest.approx([r.loss for r in expected], rel=1e-6)
    norms = [r.gradient_norm for r in expected]
    assert [r["gradient_norm"] for r in found["results"]] == pytest.approx(norms, rel=1e-6)
    assert found["rates"] == pytest.approx(engine.rates(), rel=1e-12)


def run(engine, settings, first=0, last=None):
    stream = TokenStream(some_tokens(700), 0, 3)
    results = []
    for step in range(first, settings.steps if last is None else last):
        tokens = torch.from_numpy(stream.batch(step, settings.batch_size, BLOCK))
        results.append(engine.step(tokens, step, factor(step, settings)))
    return results
