"""The training loop: fixed data order, own schedule, state saved on the way, exact resume."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from tgl.config import OptimiserConfig
from tgl.train.engines import Engine
from tgl.train.schedule import factor, warmup_steps
from tgl.train.stream import Stream


@dataclass
class TrainingLog:
    """What a run leaves behind: a row a step, and each unit's learning rate at a few steps."""

    steps: list[dict] = field(default_factory=list)
    rates: dict[int, dict[str, float]] = field(default_factory=dict)


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
    as one that was not.
    """
    log, start = TrainingLog(), 0
    resumed = (state / "progress.json").is_file()
    if resumed:
        progress = json.loads((state / "progress.json").read_text())
        start, log.steps = progress["step"], progress["steps"]
        log.rates = {int(step): rates for step, rates in progress["rates"].items()}
        say(f"resumed at step {start} of {settings.steps}")
    firsts = [first for first, _ in phases]
    watched = _watched_steps(settings) | set(firsts)
    for (first, make), end in zip(phases, [*firsts[1:], settings.steps], strict=True):
        if end <= start:
            continue
        engine = make()
        if resumed and first <= start:
            engine.load(state)
        for step in range(max(first, start), end):
            before_step(step)
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
            if step in watched:
                log.rates[step] = engine.rates()
            done = step + 1
            # Not where a phase ends: the next one's optimiser starts from nothing.
            if done % save_every == 0 and done < end:
                _save(engine, log, done, state)
            if done % 50 == 0 or done == settings.steps:
                say(
                    f"step {done} of {settings.steps}: loss {result.loss:.4f}, "
                    f"gradient norm {result.gradient_norm:.3f}"
                )
    return log


def _watched_steps(settings: OptimiserConfig) -> set[int]:
    """Return the steps whose rates are logged: first, last of the warm-up, middle, last."""
    return {0, max(0, warmup_steps(settings) - 1), settings.steps // 2, settings.steps - 1}


def _save(engine: Engine, log: TrainingLog, step: int, state: Path) -> None:
    """Replace the state folder as a whole: a kill leaves the old one, the new one, or none, never a mixture."""
    state.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{state.name}.", dir=state.parent))
    engine.save(fresh)
    (fresh / "progress.json").write_text(
        json.dumps({"step": step, "steps": log.steps, "rates": log.rates}), encoding="utf-8"
    )
    old = state.with_name(f".{state.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if state.exists():
        state.rename(old)
    fresh.rename(state)
    shutil.rmtree(old, ignore_errors=True)
