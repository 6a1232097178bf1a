"""SIGTERM and SIGINT, and a saved state that is damaged."""

import signal

import pytest
import torch

from tests.support.model_fixtures import settings_of
from tests.train.loop_runs import Killed, started, train_on, uninterrupted
from tgl.core.errors import Stopped
from tgl.train.progress import TrainingLog, read_progress, read_tensors, save_progress


def asked_to_stop(engine, number, by=signal.SIGTERM):
    """Send a signal to this process during the engine's step `number`."""
    step = engine.step

    def asked(tokens, at, scale):
        if at == number:
            signal.raise_signal(by)
        return step(tokens, at, scale)

    engine.step = asked


@pytest.fixture(autouse=True)
def _sigint_is_heard():
    """As in a terminal: a shell's background jobs ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_the_state_and_the_run_goes_on_bit_equal(tmp_path, by):
    settings = settings_of(steps=8)
    expected, model = uninterrupted(settings, tmp_path)
    engine, _ = started(settings)
    asked_to_stop(engine, 2, by)
    before = signal.getsignal(by)
    with pytest.raises(Stopped, match=f"by {by.name}; .* after 3 steps is saved. .* from step 3$") as caught:
        train_on(engine, settings, tmp_path / "state", save_every=100)
    assert caught.value.number == by
    assert signal.getsignal(by) is before
    engine, resumed = started(settings)
    assert train_on(engine, settings, tmp_path / "state", save_every=100) == expected
    assert engine.calls == 5
    assert all(torch.equal(value, resumed.state_dict()[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, "killed"])
def test_a_run_that_ends_after_its_last_step_has_only_to_be_read(tmp_path, how):
    settings = settings_of(steps=3)
    expected, model = uninterrupted(settings, tmp_path)
    engine, _ = started(settings)
    if how != "killed":
        asked_to_stop(engine, 2, how)
        with pytest.raises(Stopped, match="after 3 steps is saved"):
            train_on(engine, settings, tmp_path / "state", save_every=100)
    else:  # while the model is scored, say
        train_on(engine, settings, tmp_path / "state", save_every=100)
    engine, resumed = started(settings)
    assert train_on(engine, settings, tmp_path / "state", save_every=100) == expected
    assert engine.calls == 0
    assert all(torch.equal(value, resumed.state_dict()[name]) for name, value in model.state_dict().items())


def progress(step):
    return step, TrainingLog([{"step": step}], {}), {"weight/a": torch.full((2,), float(step))}


def save(folder, step):
    at, log, tensors = progress(step)
    save_progress(folder, at, log, tensors=tensors)


def test_a_save_that_fails_leaves_the_state_before_and_nothing_else(tmp_path, monkeypatch):
    folder = tmp_path / "training"
    save(folder, 1)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tgl.train.progress.save_file", full)
    with pytest.raises(OSError, match="No space left"):
        save(folder, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["training"]
    assert read_progress(folder, print)[0] == 1


def test_a_kill_between_the_old_state_and_the_new_one_costs_no_more_than_the_new_one(tmp_path):
    folder = tmp_path / "training"
    save(folder, 1)
    folder.rename(tmp_path / ".training.old")
    (tmp_path / ".training.x7").mkdir()  # the new one, never renamed
    assert read_progress(folder, print)[0] == 1
    assert read_tensors(folder)["weight/a"].tolist() == [1, 1]
    assert [path.name for path in tmp_path.iterdir()] == ["training"]


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
    assert any("damaged" in line and "restarts from step 0" in line for line in said)
