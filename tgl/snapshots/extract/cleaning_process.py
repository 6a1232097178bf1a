"""A process that cleans pages, seen from its parent: started, asked, and replaced when it ends.

How a process ends tells what to do with its page. SIGPROF is its own limit of CPU time. Signals of a fault in the
program (SIGSEGV and the like) and an exit are a crash. Any other signal came from outside and is not due to the page.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass

from tgl.core.errors import TglError
from tgl.snapshots.extract.clean_text import Keep
from tgl.snapshots.extract.cleaning_worker import READY, Limits, encoded
from tgl.snapshots.extract.simple import clean_simply

MOST_KILLS = 8  # of processes on one page, or on the start of one, from outside
MOST_CRASHES = 3  # of fresh processes on one page
_PIECE = 1 << 20
_START_SECONDS = 120
_CRASHES = {signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE, signal.SIGSYS}
_FROM_OUTSIDE = "ended from outside by "


@dataclass(frozen=True)
class Cleaned:
    """A line of JSON with an article, and why it was cleaned simply: time, memory, parser or crashed; "" if not."""

    row: bytes
    given_up: str = ""


class Stopped(Exception):
    """Nobody waits for the page any more."""


class CleaningProcess:
    """A process that cleans a page at a time, and a new one in its place after it has ended."""

    def __init__(self, keep: Keep, limits: Limits) -> None:
        self._keep = keep
        self._settings = {
            "keep": {
                name: value if isinstance(value, bool | str) else sorted(value)
                for name, value in asdict(keep).items()
            },
            "limits": asdict(limits),
        }
        # By the clock, for a process that was stopped (SIGSTOP): it uses no CPU time that could run out.
        self._patience = 60 + 20 * limits.seconds
        self._starting, self._stopped = threading.Lock(), False
        self._process: subprocess.Popen | None = None
        self._ready = self._fresh = False

    def __enter__(self) -> CleaningProcess:
        self._start()  # several of them get ready at the same time
        return self

    def __exit__(self, *error) -> None:
        self.stop()
        self._discard()

    def stop(self) -> None:
        """Kill the process and start no other; a call of `clean` in another thread raises `Stopped`."""
        with self._starting:
            self._stopped = True
            if self._process is not None:
                self._process.kill()

    def clean(self, wikitext: str, title: str = "") -> Cleaned:
        """Return the page's article, cleaned simply where the parser took too much or crashed.

        A page is tried again in a fresh process after a process was killed from outside. It is given up for `memory`
        only in a fresh process, since what a used one holds depends on the pages before. Raises TglError after
        `MOST_KILLS` kills from outside, and when no process can be started.
        """
        request = json.dumps([title, wikitext]).encode("ascii") + b"\n"
        kills = crashes = 0
        while True:
            self._get_ready()
            was_fresh, self._fresh = self._fresh, False
            answer = self._ask(request)
            if answer.startswith(b"{"):
                return Cleaned(answer)
            reason = json.loads(answer) if answer else self._how_it_ended()
            if not answer or reason == "memory":
                self._start()
            if reason.startswith(_FROM_OUTSIDE):
                kills += 1
                if kills == MOST_KILLS:
                    raise TglError(_killed_too_often(reason.removeprefix(_FROM_OUTSIDE)))
                continue
            crashes += reason == "crashed"
            if (reason == "crashed" and crashes < MOST_CRASHES) or (reason == "memory" and not was_fresh):
                continue
            return Cleaned(encoded(clean_simply(wikitext, self._keep), reason), reason)

    def _start(self) -> None:
        """Start a process in place of the one before."""
        self._discard()
        with self._starting:
            if self._stopped:
                raise Stopped
            self._process = self._new_process()
        self._ready, self._fresh = False, True

    def _get_ready(self) -> None:
        """Wait until the process is ready, another in its place where it is killed; raise TglError if none gets so."""
        kills = 0
        while not self._ready:
            self._ready = self._receive(time.monotonic() + _START_SECONDS) == READY
            if self._ready:
                return
            how = self._how_it_ended()
            if not how.startswith(_FROM_OUTSIDE):
                raise TglError(f"{_CANNOT_START} ({self._last_words()}). {_MEND_START}")
            kills += 1
            if kills == MOST_KILLS:
                raise TglError(_killed_too_often(how.removeprefix(_FROM_OUTSIDE)))
            self._start()

    def _new_process(self) -> subprocess.Popen:
        settings = json.dumps(self._settings | {"parent": os.getpid()})
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "tgl.snapshots.extract.cleaning_worker", settings],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
            )
        except OSError as error:
            raise TglError(f"{_CANNOT_START} ({error.strerror}). {_MEND_START}") from None
        os.set_blocking(process.stdin.fileno(), False)
        return process

    def _discard(self) -> None:
        """End the process, if there is one, and close its pipes."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()

    def _ask(self, request: bytes) -> bytes:
        """Return the process's answer, an incomplete one as empty: it ended, or gave none in time."""
        until = time.monotonic() + self._patience
        # A process without memory for the request answers and ends before it has read all of it.
        with contextlib.suppress(BrokenPipeError):
            self._send(request, until)
        return self._receive(until)

    def _send(self, request: bytes, until: float) -> None:
        left = memoryview(request)
        while left and _wait_for(self._process.stdin, select.POLLOUT, until):
            left = left[self._process.stdin.write(left) or 0 :]

    def _receive(self, until: float) -> bytes:
        found = bytearray()
        while not found.endswith(b"\n"):
            if not _wait_for(self._process.stdout, select.POLLIN, until):
                return b""
            piece = self._process.stdout.read(_PIECE)
            if not piece:
                return b""
            found += piece
        return bytes(found)

    def _how_it_ended(self) -> str:
        """Return "time", "crashed", or what ended the process from outside; raise `Stopped` where `stop` did."""
        try:
            code = self._process.wait(1)  # it has closed its pipe, so that it is about to end
        except subprocess.TimeoutExpired:
            code = None
        if self._stopped:
            raise Stopped
        if code is None:
            return f"{_FROM_OUTSIDE}being stopped: it did not answer in time"
        if code == -signal.SIGPROF:
            return "time"
        if code >= 0 or -code in _CRASHES:
            return "crashed"
        with contextlib.suppress(ValueError):
            return f"{_FROM_OUTSIDE}{signal.Signals(-code).name}"
        return f"{_FROM_OUTSIDE}signal {-code}"

    def _last_words(self) -> str:
        """Return the last line that an ended process wrote to standard error, or its exit status."""
        lines = self._process.stderr.read().decode("utf-8", "replace").split("\n")
        said = [line.strip() for line in lines if line.strip()]
        return said[-1][:500] if said else f"exit status {self._process.returncode}"


_CANNOT_START = "a process that cleans pages cannot start"
_MEND_START = (
    "Expected Python with this package, and memory for pages.page_memory_mb: mend what is named, raise `ulimit -v` and "
    "`ulimit -u`, or use fewer processes."
)


def _killed_too_often(by: str) -> str:
    """Return the message for a page whose processes are ended from outside again and again."""
    cause = (
        "SIGKILL usually means that memory ran out: give the job more memory, lower pages.page_memory_mb, or use fewer "
        "processes."
        if by == "SIGKILL"
        else "Find out what ends the processes, and run the command again."
    )
    return f"the processes that clean pages were ended {MOST_KILLS} times in a row, the last one by {by}. {cause}"


def _wait_for(pipe, event: int, until: float) -> bool:
    """Tell whether a pipe is ready, or closed at its other end, before a moment of the monotonic clock."""
    poll = select.poll()
    poll.register(pipe, event)
    return bool(poll.poll(max(0.0, until - time.monotonic()) * 1000))
