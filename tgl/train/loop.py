"""The training loop: fixed data order, learning-rate schedule, saved states, exact resume."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from tgl.core.progress import track
from tgl.models.settings import OptimiserConfig
from tgl.train.engines import Engine
from tgl.train.metrics import Log, nowhere
from tgl.train.processes import on_first
from tgl.train.progress import TrainingLog, read_progress, read_tensors, save_progress
from tgl.train.schedule import factor, warmup_steps
from tgl.train.stopping import stop_request, stopped
from tgl.train.stream import Stream


@dataclass(frozen=True)
class Steps:
    """The steps of a training run.

    The schedule and the data order continue through all phases.

    Attributes:
        phases: (first step, function that creates the engine) for each phase; the first phase begins at step 0.
        stream: The data order.
        settings: Number of steps, batch size and schedule.
        block_size: Tokens of a sequence.
    """

    phases: Sequence[tuple[int, Callable[[], Engine]]]
    stream: Stream
    settings: OptimiserConfig
    block_size: int


def train(
    steps: Steps,
    state: Path,
    *,
    save_every: int,
    say: Callable[[str], None] = print,
    look: Callable[[int], None] = lambda step: None,
    look_at: Collection[int] = (),
    metrics: Log = nowhere,
) -> TrainingLog:
    """Run all steps, and resume from a saved state if there is one.

    A run that is stopped and resumed gives the same weights and the same log as an uninterrupted run.

    Args:
        steps: The steps.
        state: The folder of the saved state.
        save_every: Steps between saved states.
        say: Called with log lines.
        look: Called in all processes with the number of a step of `look_at` before the step, with whole weights.
        look_at: Numbers of steps.
        metrics: Called with each step and its values (`tgl.train.metrics`).

    Raises:
        Stopped: SIGTERM or SIGINT arrived, and the state is saved.
    """
    settings = steps.settings
    start, log = on_first(lambda: read_progress(state, say))
    if start:
        say(f"resumed at step {start} of {settings.steps}")
    firsts = [first for first, _ in steps.phases]
    watched = _watched_steps(settings) | set(firsts)
    with stop_request() as request:
        for (first, make), end in zip(steps.phases, [*firsts[1:], settings.steps], strict=True):
            # If all steps are done, the last phase's engine must still load the weights into the model.
            if (end <= start and start < settings.steps) or end < settings.steps <= start:
                continue
            with _closing(make()) as engine:
                if start and first <= start:
                    engine.load(read_tensors(state))
                for step in track(range(max(first, start), end), "training", "steps"):
                    if step in look_at:
                        with engine.whole():
                            look(step)
                    _step(engine, steps, step, log=log)
                    metrics(step, _values(log.steps[-1], factor(step, settings)))
                    if step in watched:
                        log.rates[step] = engine.rates()
                    done, stop = step + 1, request.by_any()
                    if done % 50 == 0 or done == settings.steps:
                        say(
                            f"step {done} of {settings.steps}: loss {log.steps[-1]['loss']:.4f}, "
                            f"gradient norm {log.steps[-1]['gradient_norm']:.3f}"
                        )
                    # No state is saved between two phases, because the next phase starts with a new optimiser.
                    if done == settings.steps or (done < end and (done % save_every == 0 or stop)):
                        _save(engine, state, done, log=log)
                        if stop:
                            raise stopped(stop, done)
    return log


@contextmanager
def _closing(engine: Engine) -> Iterator[Engine]:
    """Close an engine after the block; after an error without the other processes, which may be gone."""
    try:
        yield engine
    except BaseException:
        engine.close(whole=False)
        raise
    engine.close()


def _save(engine: Engine, state: Path, done: int, *, log: TrainingLog) -> None:
    tensors = engine.state()
    on_first(lambda: save_progress(state, done, log, tensors=tensors))  # The others wait.


def _step(engine: Engine, steps: Steps, step: int, *, log: TrainingLog) -> None:
    batch = steps.stream.batch(step, steps.settings.batch_size, steps.block_size)
    tokens = torch.from_numpy(batch)  # [batch_size, block_size]
    result = engine.step(tokens, step, factor(step, steps.settings))
    log.steps.append(
        {
            "step": step,
            "loss": result.loss,
            "gradient_norm": result.gradient_norm,
            "num_tokens": tokens[:, 1:].numel(),
        }
    )


def _values(row: Mapping[str, float], rate: float) -> dict[str, float]:
    """Return what trackers get of a step; `rate` is the schedule's share of the learning rate."""
    return {
        "train/loss": row["loss"],
        "train/gradient_norm": row["gradient_norm"],
        "train/share_of_learning_rate": rate,
    }


def _watched_steps(settings: OptimiserConfig) -> set[int]:
    """Return the steps whose learning rates are logged: first, last of the warm-up, middle, last."""
    return {0, max(0, warmup_steps(settings) - 1), settings.steps // 2, settings.steps - 1}
