"""The training loop on the tiny model and the plain engine, which can be killed at a step."""

from tests.support.model_fixtures import BLOCK, plan_of, some_tokens, tiny_model
from tgl.models.sublayers import sublayers
from tgl.plans.apply import freeze, parameter_groups
from tgl.train.engines import make_engine
from tgl.train.loop import Steps, train
from tgl.train.stream import TokenStream

PLAN = plan_of([0.5, 1.0, 0.0, 1.5])


class Killed(Exception):
    pass


def started(settings, kill_at=None):
    """Return (engine, model); the engine raises Killed in place of its step number `kill_at`, from 0."""
    model = tiny_model()
    freeze(model, PLAN)
    engine = make_engine(
        model, parameter_groups(sublayers(model), PLAN, 0.01, weight_decay=0.01), settings, engine=settings
    )
    engine.calls, step = 0, engine.step

    def counted(tokens, number, scale):
        if engine.calls == kill_at:
            raise Killed
        engine.calls += 1
        return step(tokens, number, scale)

    engine.step = counted
    return engine, model


def train_on(engine, settings, state, save_every=2, say=lambda text: None):
    steps = Steps([(0, lambda: engine)], TokenStream(some_tokens(300), 0, 5), settings, BLOCK)
    return train(steps, state, save_every=save_every, say=say)


def uninterrupted(settings, folder):
    engine, model = started(settings)
    return train_on(engine, settings, folder / "whole"), model
