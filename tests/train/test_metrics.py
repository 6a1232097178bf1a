"""Values of training steps in trackers: a stand-in for what tgl does, and the trackers that are installed."""

import contextlib
import importlib.util
import sqlite3

import pytest

from tgl.core.errors import TglError
from tgl.train import metrics
from tgl.train.metrics import TRACKERS, tracked

VALUES = [{"train/loss": 3.0 - step, "train/gradient_norm": 1.0} for step in range(3)]


@pytest.fixture
def state(tmp_path):
    return tmp_path / "results" / "mine" / "state" / "gpt2-2x16" / "full-plain-lr0.003" / "seed0"


@pytest.fixture
def kept(monkeypatch, tmp_path):
    """Put a tracker `own` in the place of all others and return what it gets."""
    got = []

    @contextlib.contextmanager
    def own(folder, experiment, run):
        got.append(("begins", folder.name, experiment, run))
        yield lambda step, values: got.append((step, dict(values)))
        got.append("ends")

    monkeypatch.setattr(metrics, "TRACKERS", {"own": own})
    monkeypatch.setenv("TGL_METRICS", "own")
    monkeypatch.setenv("TGL_METRICS_FOLDER", str(tmp_path / "metrics"))
    return got


def send(state, say=lambda line: None):
    with tracked(state, say) as log:
        for step, values in enumerate(VALUES):
            log(step, values)


def test_without_the_variable_nothing_is_made(state, monkeypatch, tmp_path):
    monkeypatch.delenv("TGL_METRICS", raising=False)
    monkeypatch.chdir(tmp_path)
    send(state)
    assert list(tmp_path.iterdir()) == []


def test_a_tracker_gets_every_step_under_the_names_of_the_run(state, kept):
    said = []
    send(state, said.append)
    assert kept[0] == ("begins", "own", "mine", "gpt2-2x16/full-plain-lr0.003/seed0")
    assert kept[1:] == [*enumerate(VALUES), "ends"]
    assert said[0].startswith("metrics: own, by default in ")


def test_only_the_first_process_sends(state, kept, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    send(state)
    assert kept == []


def test_an_unknown_name_is_refused_before_training(state, kept, monkeypatch):
    monkeypatch.setenv("TGL_METRICS", "own, tensorbord")
    monkeypatch.setattr(metrics, "TRACKERS", metrics.TRACKERS | {"tensorboard": None})
    with pytest.raises(TglError, match=r"'tensorbord' is not a tracker.*tensorboard"):
        send(state)
    assert kept == []


def test_a_tracker_that_is_not_installed_names_the_extra(state, monkeypatch):
    @contextlib.contextmanager
    def missing(folder, experiment, run):
        raise ModuleNotFoundError("No module named 'wandb'", name="wandb")
        yield

    monkeypatch.setattr(metrics, "TRACKERS", {"wandb": missing})
    monkeypatch.setenv("TGL_METRICS", "wandb")
    with pytest.raises(TglError, match=r"TGL_METRICS=wandb needs wandb.*tgl\[wandb\]"):
        send(state)


def test_a_tracker_that_does_not_start_is_an_error(state, monkeypatch):
    @contextlib.contextmanager
    def broken(folder, experiment, run):
        raise OSError("no room")
        yield

    monkeypatch.setattr(metrics, "TRACKERS", {"broken": broken})
    monkeypatch.setenv("TGL_METRICS", "broken")
    with pytest.raises(TglError, match=r"broken does not start \(.*no room"):
        send(state)


def test_a_tracker_that_fails_at_a_step_is_left_out_and_training_goes_on(state, kept, monkeypatch):
    @contextlib.contextmanager
    def failing(folder, experiment, run):
        def log(step, values):
            if step == 1:
                raise ConnectionError("gone")

        yield log

    monkeypatch.setattr(metrics, "TRACKERS", metrics.TRACKERS | {"failing": failing})
    monkeypatch.setenv("TGL_METRICS", "failing,own")
    said = []
    send(state, said.append)
    assert [entry for entry in kept if isinstance(entry, tuple) and entry[0] != "begins"] == list(
        enumerate(VALUES)
    )
    assert [line for line in said if "failed" in line] == [
        "metrics: failing failed at step 1 and gets no further values (ConnectionError: gone)"
    ]


def test_a_tracker_that_fails_to_close_neither_fails_the_run_nor_hides_why_it_ended(state, kept, monkeypatch):
    @contextlib.contextmanager
    def failing(folder, experiment, run):
        yield lambda step, values: None
        raise ConnectionError("gone")

    monkeypatch.setattr(metrics, "TRACKERS", {"failing": failing} | metrics.TRACKERS)
    monkeypatch.setenv("TGL_METRICS", "failing,own")
    said = []
    send(state, said.append)
    assert said[-1] == "metrics: failing did not close (ConnectionError: gone)"
    assert kept[-1] == "ends"
    with pytest.raises(KeyboardInterrupt), tracked(state, said.append):
        raise KeyboardInterrupt


def found_by_tensorboard(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (run,) = {path.parent for path in folder.rglob("events.*")}
    assert run.relative_to(folder / "tensorboard").parts == (
        "mine",
        "gpt2-2x16",
        "full-plain-lr0.003",
        "seed0",
    )
    events = EventAccumulator(str(run))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars("train/loss")]


def found_by_mlflow(folder):
    with contextlib.closing(sqlite3.connect(folder / "mlflow" / "mlflow.db")) as database:
        assert database.execute("select name, status from runs").fetchall() == [
            ("gpt2-2x16/full-plain-lr0.003/seed0", "FINISHED")
        ]
        return database.execute(
            "select step, value from metrics where key = 'train/loss' order by step"
        ).fetchall()


def found_by_trackio(folder):
    (file,) = (folder / "trackio").rglob("*.db")
    with contextlib.closing(sqlite3.connect(file)) as database:
        rows = database.execute(
            "select step, json_extract(metrics, '$.\"train/loss\"') from metrics order by step"
        )
        return rows.fetchall()


def found_by_wandb(folder):
    # Its format is its own; names and values stand in it as text.
    (file,) = (folder / "wandb").rglob("*.wandb")
    held = file.read_bytes()
    assert held.count(b"train/loss") >= len(VALUES)
    return [(step, value) for step, value in enumerate((3.0, 2.0, 1.0)) if str(int(value)).encode() in held]


FOUND = {
    "tensorboard": found_by_tensorboard, "mlflow": found_by_mlflow, "trackio": found_by_trackio,
    "wandb": found_by_wandb,
}  # fmt: skip


@pytest.mark.parametrize("name", TRACKERS)
def test_a_tracker_writes_every_step_to_the_folder(name, state, monkeypatch, tmp_path):
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed: pip install {name}")
    for variable in ("MLFLOW_TRACKING_URI", "WANDB_MODE", "TRACKIO_DIR"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("TGL_METRICS", name)
    monkeypatch.setenv("TGL_METRICS_FOLDER", str(tmp_path / "metrics"))
    send(state)
    assert FOUND[name](tmp_path / "metrics") == [(0, 3.0), (1, 2.0), (2, 1.0)]
