"""SIGTERM, and a saved state that is damaged."""

import signal

import pytest
import torch

from tests.model_fixtures import settings_of
from tests.train.loop_runs import Killed, started, train_on, uninterrupted
from tgl.errors import Stopped


def asked_to_stop(engine, number):
    """Send SIGTERM to this process during the engine's step `number`."""
    step = engine.step

    def asked(tokens, at, scale):
        if at == number:
            signal.raise_signal(signal.SIGTERM)
        return step(tokens, at, scale)

    engine.step = asked


def test_sigterm_saves_the_state_and_the_run_goes_on_bit_equal(tmp_path):
    settings = settings_of(steps=8)
    expected, model = uninterrupted(settings, tmp_path)
    engine, _ = started(settings)
    asked_to_stop(engine, 2)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Stopped, match="after 3 steps is saved"):
        train_on(engine, settings, tmp_path / "state", save_every=100)
    assert signal.getsignal(signal.SIGTERM) is before
    engine, resumed = started(settings)
    assert train_on(engine, settings, tmp_path / "state", save_every=100) == expected
    assert engine.calls == 5
    assert all(torch.equal(value, resumed.state_dict()[name]) for name, value in model.state_dict().items())


def test_sigterm_in_the_last_step_is_not_swallowed(tmp_path):
    settings, caught = settings_of(steps=3), []
    engine, _ = started(settings)
    asked_to_stop(engine, 2)
    before = signal.signal(signal.SIGTERM, lambda number, frame: caught.append(number))
    try:
        log = train_on(engine, settings, tmp_path / "state", save_every=100)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert caught == [signal.SIGTERM]
    assert len(log.steps) == 3


@pytest.mark.parametrize("file", ["state.safetensors", "progress.json"])
@pytest.mark.parametrize("damage", ["cut", "flipped", "gone"])
def test_a_damaged_state_is_said_and_its_steps_are_done_again(tmp_path, file, damage):
    settings, said = settings_of(steps=8), []
    expected, _ = uninterrupted(settings, tmp_path)
    engine, _ = started(settings, 5)
    with pytest.raises(Killed):
        train_on(engine, settings, tmp_path / "state")
    path = tmp_path / "state" / file
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[0 if file == "progress.json" else len(content) // 2] ^= 1
    path.write_bytes(content[: len(content) // 2] if damage == "cut" else content)
    if damage == "gone":
        path.unlink()
    engine, _ = started(settings)
    assert train_on(engine, settings, tmp_path / "state", say=said.append) == expected
    assert engine.calls == 8
    assert any("damaged" in line and "done again" in line for line in said)
