"""Send the values of each training step to trackers: TensorBoard, trackio, Weights & Biases, MLflow.

The environment variable TGL_METRICS names the trackers, separated by commas. They change no result, so they are no part
of a configuration, and nothing runs again because of them. All of them write to a folder of this machine
(TGL_METRICS_FOLDER, by default `metrics`), unless their own environment variables name a server.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from tgl.core.errors import TglError, nearest
from tgl.core.extras import naming_extra
from tgl.models.model_config import brief
from tgl.train.processes import is_first

NAMES, FOLDER = "TGL_METRICS", "TGL_METRICS_FOLDER"
Log = Callable[[int, Mapping[str, float]], None]
Say = Callable[[str], None]


def nowhere(step: int, values: Mapping[str, float]) -> None:
    """Discard the values of a step."""


@contextmanager
def tracked(state: Path, say: Say) -> Iterator[Log]:
    """Yield a function that sends the values of a step to every tracker of TGL_METRICS, in the first process.

    A tracker that fails while it logs is left out from then on, with a log line: training goes on.

    Args:
        state: Folder of the run's state, `results/EXPERIMENT/state/MODEL/METHOD/SEED`, whose parts name the run.
        say: Called with log lines.

    Raises:
        TglError: TGL_METRICS has an unknown name, or a tracker is not installed or does not start.
    """
    names = [name.strip() for name in os.environ.get(NAMES, "").split(",") if name.strip()]
    if unknown := [name for name in names if name not in TRACKERS]:
        raise TglError(
            f"{NAMES}: '{unknown[0]}' is not a tracker{nearest(unknown[0], TRACKERS)}; expected some of "
            f"{', '.join(TRACKERS)}, separated by commas"
        )
    if not names or not is_first():
        yield nowhere
        return
    folder = Path(os.environ.get(FOLDER) or "metrics").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    *_, experiment, _, model, method, seed = ("", "tgl", "", "", *state.absolute().parts)
    run = f"{model}/{method}/{seed}"
    with ExitStack() as stack:
        logs = {}
        for name in names:
            with naming_extra(f"{NAMES}={name}"):
                try:
                    tracker = TRACKERS[name](folder / name, experiment, run)
                    logs[name] = tracker.__enter__()
                    stack.callback(_closed, name, tracker, say)
                except (ImportError, TglError):
                    raise
                except Exception as error:  # Each tracker raises errors of its own kinds.
                    raise TglError(f"{NAMES}: {name} does not start ({brief(error)})") from None
            say(f"metrics: {name}, by default in {folder / name}")

        def log(step: int, values: Mapping[str, float]) -> None:
            for name, own in list(logs.items()):
                try:
                    own(step, values)
                except Exception as error:
                    del logs[name]
                    say(f"metrics: {name} failed at step {step} and gets no further values ({brief(error)})")

        yield log


def _closed(name: str, tracker: AbstractContextManager, say: Say) -> None:
    """Close a tracker. What fails there must not end a run whose training is done, nor hide why it ended."""
    try:
        tracker.__exit__(None, None, None)
    except Exception as error:
        say(f"metrics: {name} did not close ({brief(error)})")


@contextmanager
def _tensorboard(folder: Path, experiment: str, run: str) -> Iterator[Log]:
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder / experiment / run)) as writer:

        def log(step: int, values: Mapping[str, float]) -> None:
            for name, value in values.items():
                writer.add_scalar(name, value, step)

        yield log


@contextmanager
def _trackio(folder: Path, experiment: str, run: str) -> Iterator[Log]:
    os.environ.setdefault("TRACKIO_DIR", str(folder))
    import trackio

    trackio.init(project=experiment, name=run, resume="allow", embed=False)
    try:
        yield lambda step, values: trackio.log(dict(values), step=step)
    finally:
        trackio.finish()


@contextmanager
def _wandb(folder: Path, experiment: str, run: str) -> Iterator[Log]:
    import wandb

    folder.mkdir(parents=True, exist_ok=True)
    mode = os.environ.get("WANDB_MODE", "offline")
    silent = wandb.Settings(silent=True)
    own = wandb.init(
        project=experiment, name=run, dir=str(folder), mode=mode, reinit="create_new", settings=silent
    )
    try:
        yield lambda step, values: own.log(dict(values), step=step)
    finally:
        own.finish()
        wandb.teardown()  # Only when its service ends does it write what it holds back.


@contextmanager
def _mlflow(folder: Path, experiment: str, run: str) -> Iterator[Log]:
    import mlflow

    folder.mkdir(parents=True, exist_ok=True)
    place = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{folder / 'mlflow.db'}"
    with open(folder / ".lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # Jobs of one experiment start at the same time.
        client = mlflow.MlflowClient(tracking_uri=place)
        known = client.get_experiment_by_name(experiment)
        number = known.experiment_id if known else client.create_experiment(experiment)
    own = client.create_run(number, run_name=run).info.run_id

    def log(step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            client.log_metric(own, name, value, step=step)

    try:
        yield log
    finally:
        client.set_terminated(own)


TRACKERS = {"tensorboard": _tensorboard, "trackio": _trackio, "wandb": _wandb, "mlflow": _mlflow}
