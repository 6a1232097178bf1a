"""Run each measured way in a separate process, so that one that is killed for memory does not affect the others."""

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

_LOOK = 0.05  # seconds between two readings of a process's memory


class Lost(Exception):
    """A way gave no result: its process was killed or ended, or the way is not available."""


@dataclass(frozen=True)
class Cost:
    """The cost of a command.

    Attributes:
        seconds: The wall time.
        processor_seconds: The time of all processors.
        memory: The peak memory of its largest process, in MiB.
    """

    seconds: float
    processor_seconds: float
    memory: float


def cost(*arguments: object) -> Cost:
    """Run a command, discard its output, and return its cost.

    A small process starts the command, because a child inherits the peak memory of its parent.

    Raises:
        Lost: The command fails or is killed.
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
    """Return how a process without result ended, from its exit code and its peak memory in MiB."""
    with contextlib.suppress(ValueError):
        return f"killed by {signal.Signals(-code).name} at {memory:.0f} MiB"
    return f"exit code {code} at {memory:.0f} MiB"


class Apart:
    """A function in a separate process, to be used as a context manager.

    `prepare(*arguments)` creates the function once in that process. Then each call runs the function and returns its
    result. `prepare` must be a module-level function, because its result does not leave the process.

    Raises:
        Lost: On a call, if the process is killed or ends, or the function raises an exception.
    """

    def __init__(self, prepare: Callable, *arguments: object) -> None:
        start = multiprocessing.get_context("spawn")
        self._answers, there = start.Pipe()
        self._process = start.Process(target=_serve, args=(there, prepare, arguments), daemon=True)
        self._process.start()
        there.close()  # so that this process notices when the other one ends
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
            except (
                Exception
            ) as error:  # a peer may raise its own exceptions, for example when memory runs out
                found = (f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}", None)
            answers.send(found)


def once(prepare: Callable, *arguments: object) -> object:
    """Call a function in a separate process that ends afterwards; see `Apart`."""
    with Apart(prepare, *arguments) as function:
        return function()


def attempt(function: Callable, *arguments: object) -> object:
    """Return the result of a function, or the Lost that it raises."""
    try:
        return function(*arguments)
    except Lost as lost:
        return lost


def in_turns(ways: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list | Lost]:
    """Run all ways in turns, so that a slow phase of the machine affects all of them.

    A way that is lost is not called again.

    Returns:
        The results of each way in all rounds, or its Lost.
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
    """Return the median of each way's results from `in_turns`, or its Lost."""
    return {
        name: values if isinstance(values, Lost) else statistics.median(values)
        for name, values in found.items()
    }


def high_water(process: int | str = "self") -> float | None:
    """Return a process's peak resident memory in MiB, or None if it has ended.

    Unlike ru_maxrss, this value does not include the peak of the parent.
    """
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    except OSError:
        return None
    return int(found[1]) / 1024 if found else None
