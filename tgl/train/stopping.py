"""SIGTERM stops a run between two steps, with its state saved: preemption, a time limit, a cancelled job."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from tgl.errors import Stopped
from tgl.train.processes import total


class StopRequest:
    """Whether the run was asked to stop (SIGTERM: preemption, a time limit, a cancelled job)."""

    def __init__(self) -> None:
        self.received = False

    def by_any(self) -> bool:
        """Tell whether any process was asked; all of them get the same answer."""
        return bool(total(torch.tensor([int(self.received)])).item())


@contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Note SIGTERM inside the block instead of dying of it, so that the step is finished and the state saved.

    Whoever leaves the block without an exception dies of it there.
    """
    request = StopRequest()

    def note(number, frame) -> None:
        request.received = True

    if threading.current_thread() is not threading.main_thread():  # only the main thread may set handlers
        yield request
        return
    before = signal.signal(signal.SIGTERM, note)
    try:
        yield request
    finally:
        signal.signal(signal.SIGTERM, before)
    if request.received:  # it came where no state could be saved any more
        signal.raise_signal(signal.SIGTERM)


def stopped(step: int) -> Stopped:
    """Return the exception of a run that was asked to stop and has saved its state after `step` steps."""
    return Stopped(
        f"stopped by SIGTERM; the state after {step} steps is saved, the same command goes on from it"
    )
