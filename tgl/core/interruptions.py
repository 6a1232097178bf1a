"""SIGTERM and SIGINT (Ctrl-C) as exceptions or requests; a second SIGINT ends the process at once."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# If both arrive, the first has priority: a terminal sends SIGINT, and the parent process may send SIGTERM after it.
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """SIGTERM or SIGINT ended the work; `number` is the number of the signal."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise Interrupted on the first SIGTERM or SIGINT inside the block."""

    def interrupt(number: int) -> None:
        raise Interrupted(number)

    with noted(interrupt):
        yield


@contextmanager
def noted(note: Callable[[int], None]) -> Iterator[None]:
    """Call `note` with the number of the first SIGTERM or SIGINT inside the block.

    A second SIGINT ends the process at once with status 130. A second SIGTERM is ignored, because clusters send it
    both to a process and to its parent. Signals that are ignored when the block begins (nohup, a shell's background
    job) stay ignored. Only the main thread can set handlers; in other threads the function does nothing.

    Args:
        note: Called with the number of the signal.
    """
    seen: set[int] = set()

    def handle(number: int, frame: object) -> None:
        if number == signal.SIGINT and number in seen:
            os.write(sys.stderr.fileno(), b"stopped at once by a second SIGINT\n")
            os._exit(128 + number)
        first = not seen
        seen.add(number)
        if first:
            note(number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
