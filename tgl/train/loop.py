"""The training loop: fixed data order, own schedule, state saved on the way, exact resume."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import torch

from tgl.config import OptimiserConfig
from tgl.train.engines import Engine
from tgl.train.processes import on_first
from tgl.train.progress import TrainingLog, read_progress, read_tensors, save_progress
from tgl.train.schedule import factor, warmup_steps
from tgl.train.stopping import stop_request, stopped
from tgl.train.stream import Stream


def train(
    phases: Sequence[tuple[int, Callable[[], Engine]]],
    stream: Stream,
    settings: OptimiserConfig,
    block_size: int,
    state: Path,
    save_every: int,
    say: Callable[[str], None] = print,
    before_step: Callable[[int], None] = lambda step: None,
) -> TrainingLog:
    """Run all steps of `settings`; go on from the state in folder `state` when it holds one.

    phases: (first step, what makes the engine from there on); the first begins at 0. The schedule and the data
    order run through all of them. A run that is stopped and started again gives the same weights and the same log
    as one that was not. Raises Stopped after SIGTERM or SIGINT, when the state is saved.
    """
    start, log = on_first(lambda: read_progress(state, say))
    if start:
        say(f"resumed at step {start} of {settings.steps}")
    firsts = [first for first, _ in phases]
    watched = _watched_steps(settings) | set(firsts)
    with stop_request() as request:
        for (first, make), end in zip(phases, [*firsts[1:], settings.steps], strict=True):
            # Where all steps are done, the last phase's engine has still to put the weights into the model.
            if (end <= start and start < settings.steps) or end < settings.steps <= start:
                continue
            with closing(make()) as engine:
                if start and first <= start:
                    engine.load(read_tensors(state))
                for step in range(max(first, start), end):
                    before_step(step)
                    _step(engine, stream, step, settings, block_size, log)
                    if step in watched:
                        log.rates[step] = engine.rates()
                    done, stop = step + 1, request.by_any()
                    if done % 50 == 0 or done == settings.steps:
                        say(
                            f"step {done} of {settings.steps}: loss {log.steps[-1]['loss']:.4f}, "
                            f"gradient norm {log.steps[-1]['gradient_norm']:.3f}"
                        )
                    # Not where a phase ends and another begins, whose optimiser starts from nothing.
                    if done == settings.steps or (done < end and (done % save_every == 0 or stop)):
                        _save(engine, state, done, log)
                        if stop:
                            raise stopped(stop, done)
    return log


def _save(engine: Engine, state: Path, done: int, log: TrainingLog) -> None:
    tensors = engine.state()
    on_first(lambda: save_progress(state, done, log, tensors))  # nobody leaves before it is written


def _step(
    engine: Engine, stream: Stream, step: int, settings: OptimiserConfig, block_size: int, log: TrainingLog
) -> None:
    tokens = torch.from_numpy(stream.batch(step, settings.batch_size, block_size))
    result = engine.step(tokens, step, factor(step, settings))
    log.steps.append(
        {
            "step": step,
            "loss": result.loss,
            "gradient_norm": result.gradient_norm,
            "num_tokens": tokens[:, 1:].numel(),
        }
    )


def _watched_steps(settings: OptimiserConfig) -> set[int]:
    """Return the steps whose rates are logged: first, last of the warm-up, middle, last."""
    return {0, max(0, warmup_steps(settings) - 1), settings.steps // 2, settings.steps - 1}
