"""Each way that is measured has a process of its own: one that is killed for memory leaves the others' figures."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

_LOOK = 0.05  # seconds between two looks at the memory of a process


class Lost(Exception):
    """A way that gave nothing: its process was killed, ended by itself, or the way is not to be had."""


@dataclass(frozen=True)
class Cost:
    """What a command took: seconds by the clock and of all processors, and MiB of its largest process."""

    seconds: float
    processor_seconds: float
    memory: float


def cost(*arguments: object) -> Cost:
    """Run a command, whose output is dropped, and return what it took. Raises Lost where it fails or is killed.

    It is started by a small process: a large one would hand its own peak of memory down.
    """
    code = (
        "import json, resource, subprocess, sys; null = subprocess.DEVNULL; "
        "ended = subprocess.run(sys.argv[1:], stdout=null, stderr=null).returncode; "
        "used = resource.getrusage(resource.RUSAGE_CHILDREN); "
        "print(json.dumps([ended, used.ru_utime + used.ru_stime, used.ru_maxrss]))"
    )
    start = time.perf_counter()
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    ended, processor, memory = json.loads(done.stdout)
    if ended:
        raise Lost(how_it_ended(ended, memory / 1024))
    return Cost(time.perf_counter() - start, processor, memory / 1024)


def how_it_ended(code: int, memory: float) -> str:
    """Return how a process ended that gave no result, from its exit code, and its peak of memory in MiB."""
    with contextlib.suppress(ValueError):
        return f"killed by {signal.Signals(-code).name} at {memory:.0f} MiB"
    return f"exit code {code} at {memory:.0f} MiB"


class Apart:
    """A function in a process of its own, made there once by `prepare(*arguments)` and called as often as asked.

    prepare: of a module, as what it returns does not leave the process. A call returns what the function returns,
    and raises Lost where the process is killed, ends, or raises an exception. Used as a context manager.
    """

    def __init__(self, prepare: Callable, *arguments: object) -> None:
        start = multiprocessing.get_context("spawn")
        self._answers, there = start.Pipe()
        self._process = start.Process(target=_serve, args=(there, prepare, arguments), daemon=True)
        self._process.start()
        there.close()  # so that its end is seen here
        self._memory = 0.0

    def __enter__(self) -> Apart:
        return self

    def __exit__(self, *error) -> None:
        self._process.kill()
        self._process.join()
        self._answers.close()

    def __call__(self) -> object:
        """Call the function once."""
        try:
            self._answers.send(None)
            while not self._answers.poll(_LOOK):
                self._memory = high_water(self._process.pid) or self._memory
            failure, found = self._answers.recv()
        except (EOFError, OSError):
            self._process.join()
            raise Lost(how_it_ended(self._process.exitcode, self._memory)) from None
        if failure:
            raise Lost(failure)
        return found


def _serve(answers: Connection, prepare: Callable, arguments: tuple) -> None:
    function = None
    with contextlib.suppress(EOFError):
        while True:
            answers.recv()
            try:
                function = function or prepare(*arguments)
                found = (None, function())
            except Exception as error:  # of a peer's own, as one for too little memory
                found = (f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}", None)
            answers.send(found)


def once(prepare: Callable, *arguments: object) -> object:
    """Call a function in a process of its own that ends with it; see `Apart`."""
    with Apart(prepare, *arguments) as function:
        return function()


def attempt(function: Callable, *arguments: object) -> object:
    """Return what a function returns, or the Lost that it raises: a row of a table says so."""
    try:
        return function(*arguments)
    except Lost as lost:
        return lost


def in_turns(ways: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list | Lost]:
    """Return what each way gave in each round; all take turns, so that a machine that slows down slows all.

    A way that is lost is not asked again.
    """
    found: dict[str, list | Lost] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            if isinstance(found[name], Lost):
                continue
            got = attempt(way)
            if isinstance(got, Lost):
                found[name] = got
            else:
                found[name].append(got)
    return found


def medians(found: Mapping[str, list | Lost]) -> dict[str, float | Lost]:
    """Return the median of what each way gave `in_turns`, or that it is lost."""
    return {
        name: values if isinstance(values, Lost) else statistics.median(values)
        for name, values in found.items()
    }


def high_water(process: int | str = "self") -> float | None:
    """Return a process's peak resident memory in MiB, None where it has ended.

    Unlike ru_maxrss it does not start from that of the parent.
    """
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    except OSError:
        return None
    return int(found[1]) / 1024 if found else None
