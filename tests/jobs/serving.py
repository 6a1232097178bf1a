"""Commands that a job server runs, in a folder of its own for sockets."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import tgl
from tests.cli.processes import hear_sigint
from tests.workflow.conftest import REPOSITORY, environment
from tgl.jobs.place import SWITCH

PEAK = re.compile(r"peak memory \d+ MiB\n")


@functools.cache
def copy_of_package() -> Path:
    """Return a folder with a copy of the package: whoever edits a file of it must not disturb a test."""
    folder = Path(tempfile.mkdtemp(prefix="code"))
    shutil.copytree(Path(tgl.__file__).parent, folder / "tgl", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


class Jobs:
    """Commands of one environment. module: what `python -m` starts for each."""

    def __init__(self, folder: Path, module: str, **variables: str) -> None:
        self.folder, self.module = folder, module
        paths = os.pathsep.join(map(str, (copy_of_package(), REPOSITORY)))
        own = {"XDG_RUNTIME_DIR": str(folder), SWITCH: "1", "PYTHONPATH": paths, "PYTHONUNBUFFERED": ""}
        self.environment = environment() | own | variables

    def start(self, *arguments: str, module: str = "", **options) -> subprocess.Popen:
        """Start a command in a session of its own, with pipes for what it prints."""
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        common = {"cwd": self.folder, "env": self.environment, "text": True, "preexec_fn": hear_sigint}
        return subprocess.Popen(
            [sys.executable, "-m", module or self.module, *arguments],
            **(pipes | common | {"start_new_session": True} | options),
        )

    def run(self, *arguments: str, **options) -> tuple[int, str, str]:
        """Run a command to its end; return its exit status and what it printed as output and as error."""
        given = options.pop("input", "")
        process = self.start(*arguments, **options)
        out, err = process.communicate(given, timeout=240)
        return process.returncode, out, err

    def served(self, *arguments: str, **options) -> tuple[int, str, str]:
        """Run a command and check that the server ran it; return the same as `run`, without the line about memory."""
        status, out, err = self.run(*arguments, **options)
        *_, last = err.splitlines(keepends=True) or [""]
        assert PEAK.fullmatch(last), err
        return status, out, err.removesuffix(last)

    def plain(self, *arguments: str, **options) -> tuple[int, str, str]:
        """Run the command of tgl without the server."""
        return self.run(*arguments, module="tgl", **options)

    def begin(self) -> int:
        """Let a command start the server, wait until it listens, and return its process."""
        self.run("--version")
        until(lambda: self.socket() is not None and self.server() is not None)
        return self.server()

    @property
    def own(self) -> Path:
        """The folder of the sockets of this user."""
        return self.folder / f"tgl-{os.getuid()}"

    def socket(self) -> Path | None:
        """Return the socket of the only server; None while it does not listen."""
        found = list(self.own.glob("*.sock"))
        assert len(found) <= 1
        return found[0] if found else None

    def processes(self) -> list[int]:
        """Return the servers of this folder and the processes of commands, which are not exec'ed."""
        return [number for number, command in _commands() if f"{self.own}/" in command]

    def server(self) -> int | None:
        """Return the process of the server, whose parent is none of its own processes."""
        own = self.processes()
        servers = [number for number in own if parent(number) not in own]
        assert len(servers) <= 1
        return servers[0] if servers else None


@contextlib.contextmanager
def jobs(module: str, **variables: str) -> Iterator[Jobs]:
    """Yield commands with sockets in a folder with a short path; end their servers."""
    folder = Path(tempfile.mkdtemp(prefix="jobs"))
    made = Jobs(folder, module, **variables)
    try:
        yield made
    finally:
        while left := made.processes():
            for number in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
            time.sleep(0.05)
        shutil.rmtree(folder)


def until(reached: Callable[[], object], within: float = 240) -> None:
    """Wait until something is reached."""
    end = time.monotonic() + within
    while not reached():
        assert time.monotonic() < end, "was not reached in time"
        time.sleep(0.02)


def parent(number: int) -> int | None:
    """Return the parent of a process; None for one that is gone."""
    found = _stat(number)
    return int(found[1]) if found else None


def is_running(number: int) -> bool:
    """Tell whether a process is there and no zombie."""
    found = _stat(number)
    return found is not None and found[0] not in "ZX"


def zombies_of(number: int) -> list[int]:
    """Return the children of a process that nobody has waited for."""
    found = {int(folder.name): _stat(int(folder.name)) for folder in Path("/proc").glob("[0-9]*")}
    return [child for child, stat in found.items() if stat and stat[0] == "Z" and int(stat[1]) == number]


def _stat(number: int) -> list[str] | None:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def _commands() -> Iterator[tuple[int, str]]:
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            command = (folder / "cmdline").read_text(errors="replace").replace("\0", " ")
            if is_running(int(folder.name)):
                yield int(folder.name), command
