"""SIGTERM and SIGINT stop a run between two steps, with its state saved: preemption, a time limit, Ctrl-C."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from tgl.errors import Stopped
from tgl.interruptions import SIGNALS, noted
from tgl.train.processes import total


class StopRequest:
    """Whether the run was asked to stop: the signal's number, or None."""

    def __init__(self) -> None:
        self.received: int | None = None

    def by_any(self) -> int | None:
        """Return the signal that any process got; all of them get the same answer."""
        counts = total(torch.tensor([int(self.received == number) for number in SIGNALS])).tolist()
        return next((number for number, count in zip(SIGNALS, counts, strict=True) if count), None)


@contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Note SIGTERM and SIGINT inside the block, so that the step is finished and the state saved.

    A signal that came too late for a state to be saved is raised again when the block ends without an exception.
    """
    request = StopRequest()

    def note(number: int) -> None:
        request.received = number

    with noted(note):
        yield request
    if request.received is not None:
        signal.raise_signal(request.received)


def stopped(number: int, step: int) -> Stopped:
    """Return the exception of a run that signal `number` stopped and that has saved its state after `step` steps."""
    return Stopped(
        f"stopped by {signal.Signals(number).name}; the state after {step} steps is saved, "
        f"the same command goes on from step {step}",
        number,
    )
