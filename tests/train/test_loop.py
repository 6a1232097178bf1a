import json

import pytest
import torch

from tests.model_fixtures import BLOCK, plan_of, settings_of, some_tokens, tiny_model
from tgl.config import PretrainConfig
from tgl.sublayers import sublayers
from tgl.train.engines import make_engine
from tgl.train.groups import freeze, parameter_groups
from tgl.train.loop import train
from tgl.train.schedule import factor
from tgl.train.stream import TokenStream

PLAN = plan_of([0.5, 1.0, 0.0, 1.5])


class Killed(Exception):
    pass


def started(settings, kill_at=None):
    """Return (engine, model); the engine raises Killed in place of its step number `kill_at`, from 0."""
    model = tiny_model()
    freeze(model, PLAN)
    engine = make_engine("plain", model, parameter_groups(sublayers(model), PLAN, 0.01, 0.01), settings)
    engine.calls, step = 0, engine.step

    def counted(tokens, scale):
        if engine.calls == kill_at:
            raise Killed
        engine.calls += 1
        return step(tokens, scale)

    engine.step = counted
    return engine, model


def train_on(engine, settings, state, save_every=2, say=lambda text: None):
    return train(engine, TokenStream(some_tokens(300), 0, 5), settings, BLOCK, state, save_every, say)


def uninterrupted(settings, folder):
    engine, model = started(settings)
    return train_on(engine, settings, folder / "whole"), model


@pytest.mark.parametrize("kill_at", [1, 2, 3, 4, 7])
def test_a_killed_and_resumed_run_is_bit_equal_to_an_uninterrupted_one(tmp_path, kill_at):
    settings = settings_of(steps=8)
    expected, model = uninterrupted(settings, tmp_path)
    engine, _ = started(settings, kill_at)
    with pytest.raises(Killed):
        train_on(engine, settings, tmp_path / "state")
    engine, resumed = started(settings)
    log = train_on(engine, settings, tmp_path / "state")
    assert engine.calls == 8 - kill_at // 2 * 2  # nothing saved is computed again
    assert log == expected
    for name, value in model.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_a_run_killed_twice_is_bit_equal_too(tmp_path):
    settings = settings_of(steps=8)
    expected, model = uninterrupted(settings, tmp_path)
    for kill_at in (3, 4):
        engine, _ = started(settings, kill_at)
        with pytest.raises(Killed):
            train_on(engine, settings, tmp_path / "state")
    engine, resumed = started(settings)
    assert train_on(engine, settings, tmp_path / "state") == expected
    assert engine.calls == 2
    assert all(torch.equal(value, resumed.state_dict()[name]) for name, value in model.state_dict().items())


def test_a_kill_while_saving_leaves_a_state_to_go_on_from(tmp_path):
    settings = settings_of(steps=8)
    expected, _ = uninterrupted(settings, tmp_path)
    engine, _ = started(settings)
    save = engine.save

    def killed_in_second_save(folder):
        save(folder)
        if engine.calls == 4:
            raise Killed

    engine.save = killed_in_second_save
    with pytest.raises(Killed):
        train_on(engine, settings, tmp_path / "state")
    engine, _ = started(settings)
    assert train_on(engine, settings, tmp_path / "state") == expected
    assert engine.calls == 6


def test_the_state_left_behind_is_that_of_the_last_save(tmp_path):
    settings = settings_of(steps=7)
    said = []
    train_on(started(settings)[0], settings, tmp_path / "state", save_every=3, say=said.append)
    assert json.loads((tmp_path / "state" / "progress.json").read_text())["step"] == 6
    assert [entry.name for entry in tmp_path.iterdir()] == ["state"]
    assert said[-1].startswith("step 7 of 7: loss ")
    train_on(started(settings)[0], settings, tmp_path / "state", save_every=3, say=said.append)
    assert "resumed at step 6 of 7" in said


def test_the_log_has_every_step_and_the_rates_at_the_watched_ones(tmp_path):
    settings = settings_of(steps=10, warmup_share=0.3)
    log, _ = uninterrupted(settings, tmp_path)
    assert [row["step"] for row in log.steps] == list(range(10))
    assert {row["num_tokens"] for row in log.steps} == {2 * (BLOCK - 1)}
    assert set(log.rates) == {0, 2, 5, 9}
    for step, rates in log.rates.items():
        assert rates["block00.attention"] == pytest.approx(0.01 * 0.5 * factor(step, settings))
        assert "block01.attention" not in rates
    assert factor(2, settings) == 1


def test_a_run_of_no_steps_does_none(tmp_path):
    engine, _ = started(settings_of())
    log = train_on(engine, PretrainConfig(steps=0), tmp_path / "state")
    assert (log.steps, log.rates, engine.calls) == ([], {}, 0)
