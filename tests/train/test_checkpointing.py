"""Activations that are computed again in the backward pass."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from tests.support.model_fixtures import parameters_of, settings_of, tiny_model
from tests.train.engine_runs import ENGINES, run
from tgl.core.errors import TglError
from tgl.models.sublayers import sublayers
from tgl.plans.apply import freeze, parameter_groups
from tgl.train.base import everything
from tgl.train.engines import make_engine
from tgl.train.engines.mode import check_checkpointing


def engine_of(name, kind="gpt2", frozen=(), **changes):
    """Return an engine that trains everything but the frozen units, its model, and its settings."""
    settings, model = settings_of(engine=name, zero_stage=1, **changes), tiny_model(kind)
    plan = everything(model)
    plan = replace(
        plan,
        embedding=float("embedding" not in frozen),
        multipliers={name: float(name not in frozen) for name in plan.multipliers},
    )
    freeze(model, plan)
    groups = parameter_groups(sublayers(model), plan, 0.01, weight_decay=settings.weight_decay)
    return make_engine(model, groups, settings, engine=settings), model, settings


def saved_scalars(model_and_engine):
    """Return the number of scalars that a step keeps for its backward pass."""
    engine, _, settings = model_and_engine
    found = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: found.append(t.numel()) or t, lambda t: t):
        run(engine, settings, last=1)
    return sum(found)


@pytest.mark.parametrize("frozen", [(), ("embedding", "block00.attention", "block00.mlp"), ("block01.mlp",)])
@pytest.mark.parametrize("kind", ["gpt2", "llama"])
@pytest.mark.parametrize("name", ENGINES)
def test_steps_are_those_without_it(name, kind, frozen):
    found = {}
    for wanted in (False, True):
        engine, model, settings = engine_of(name, kind, frozen, checkpointing=wanted)
        results = run(engine, settings, last=3)
        found[wanted] = ([result.loss for result in results], parameters_of(model))
        assert not any(getattr(m, "gradient_checkpointing", False) for m in model.modules())
    assert found[True][0] == pytest.approx(found[False][0], rel=1e-6)
    for parameter, value in found[True][1].items():
        assert torch.allclose(value, found[False][1][parameter], atol=1e-6), parameter


def test_a_step_keeps_fewer_activations():
    kept, again = (saved_scalars(engine_of("plain", checkpointing=wanted)) for wanted in (False, True))
    assert again < 0.8 * kept


def test_a_model_that_cannot_do_it_is_refused():
    check_checkpointing(tiny_model("gpt2"))
    with pytest.raises(TglError, match=r"train\.checkpointing: Linear cannot"):
        check_checkpointing(nn.Linear(2, 2))
    with pytest.raises(TglError, match=r"train\.checkpointing: GruForCausalLM cannot"):
        engine_of("plain", kind="tgl_gru", checkpointing=True)
