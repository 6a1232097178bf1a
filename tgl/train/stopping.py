"""Stop a run between two steps with its state saved, on SIGTERM or SIGINT (preemption, a time limit, Ctrl-C)."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from tgl.core.errors import Stopped
from tgl.core.interruptions import SIGNALS, noted
from tgl.train.processes import total


class StopRequest:
    """The signal that asks the run to stop. `received` is its number, or None."""

    def __init__(self) -> None:
        self.received: int | None = None

    def by_any(self) -> int | None:
        """Return the signal that any process received, or None. All processes get the same result."""
        counts = total(torch.tensor([int(self.received == number) for number in SIGNALS])).tolist()
        return next((number for number, count in zip(SIGNALS, counts, strict=True) if count), None)


@contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Record SIGTERM and SIGINT inside the block, so that the run can finish its step and save its state.

    If the block ends without an exception after a signal, the signal is raised again.
    """
    request = StopRequest()

    def note(number: int) -> None:
        request.received = number

    with noted(note):
        yield request
    if request.received is not None:
        signal.raise_signal(request.received)


def stopped(number: int, step: int) -> Stopped:
    """Return the exception for a run that a signal stopped.

    Args:
        number: Number of the signal.
        step: Number of steps in the saved state.
    """
    return Stopped(
        f"stopped by {signal.Signals(number).name}; the state after {step} steps is saved. "
        f"Run the same command again to resume from step {step}",
        number,
    )
