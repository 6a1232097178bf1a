"""Progress of long loops: a bar with rate and remaining time on a terminal, a line every 30 seconds in a log."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
# Seconds between two log lines.
_EVERY = 30


class Progress:
    """The progress of one task. Call `update` as often as convenient."""

    def __init__(self, what: str, unit: str) -> None:
        self.what, self.unit = what, unit
        self.done, self.total = 0, 0
        self._start = self._logged = time.monotonic()

    def update(self, done: int, total: int | None = None) -> None:
        """Record that `done` of `total` units are done; None keeps the last total."""
        self.done, self.total = done, total or self.total
        self._show()

    def advance(self, count: int = 1) -> None:
        """Record that `count` more units are done."""
        self.update(self.done + count)

    def describe(self, what: str) -> None:
        """Set the name of the current step. Only a bar shows it."""

    def _show(self) -> None:
        now = time.monotonic()
        if now - self._logged >= _EVERY and _is_first():
            self._logged = now
            logging.getLogger("tgl").info(self.line(now - self._start))

    def line(self, seconds: float) -> str:
        """Return one line about the progress: share, rate and remaining time.

        Args:
            seconds: Seconds since the start.
        """
        rate = self.done / seconds if seconds > 0 else 0.0
        if not self.total:
            return f"{self.what}: {self.done:,} {self.unit}, {rate:,.1f} per second"
        left = (self.total - self.done) / rate if rate else float("inf")
        return (
            f"{self.what}: {self.done:,} of {self.total:,} {self.unit} ({self.done / self.total:.0%}), "
            f"{rate:,.1f} per second, {duration(left)} left"
        )


class _Bar(Progress):
    """A progress bar on the terminal."""

    def __init__(self, what: str, unit: str) -> None:
        super().__init__(what, unit)
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        self._bars = Bars(
            TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(),
            TextColumn(unit.replace("{", "{{").replace("}", "}}"), markup=False), TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(), console=Console(stderr=True), transient=True,
            redirect_stdout=sys.stdout.isatty(),  # otherwise the bar's console would get what belongs in a file
        )  # fmt: skip
        self._task = self._bars.add_task(what, total=None, rate="")
        self._bars.start()

    def describe(self, what: str) -> None:
        """Show the name of the current step."""
        self._bars.update(self._task, description=f"{self.what}: {what}")

    def _show(self) -> None:
        seconds = time.monotonic() - self._start
        rate = f"{self.done / seconds:,.1f}/s" if seconds > 0 else ""
        self._bars.update(self._task, completed=self.done, total=self.total or None, rate=rate)

    def close(self) -> None:
        """Remove the bar."""
        self._bars.stop()


@contextmanager
def bar(what: str, unit: str = "") -> Iterator[Progress]:
    """Show the progress of a task while the block runs: a bar on a terminal, otherwise a log line every 30 seconds."""
    if not _is_watched():
        yield Progress(what, unit)
        return
    shown = _Bar(what, unit)
    try:
        yield shown
    finally:
        shown.close()


def track(items: Iterable[T], what: str, unit: str = "", *, total: int | None = None) -> Iterator[T]:
    """Yield the items and show the progress of the loop over them.

    Args:
        items: What to loop over.
        what: The name of the task.
        unit: What one item is called.
        total: The number of items, if they have no length.
    """
    total = len(items) if total is None and isinstance(items, Sized) else total
    with bar(what, unit) as progress:
        for number, item in enumerate(items, 1):
            yield item
            progress.update(number, total)


def duration(seconds: float) -> str:
    """Return a readable duration: 45 s, 12 min, 3.4 h; `?` for infinity."""
    if seconds == float("inf"):
        return "?"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _is_first() -> bool:
    """Return whether this is the only process of a run or the first of several. The others show nothing."""
    return os.environ.get("RANK", "0") == "0"


def _is_watched() -> bool:
    return (
        _is_first()
        and sys.stderr.isatty()
        and os.environ.get("TERM") != "dumb"
        and logging.getLogger("tgl").isEnabledFor(20)
    )
