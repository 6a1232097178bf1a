"""The job server: imports what stages need, then forks a process for each command that it receives."""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import sys
import threading
import time
import traceback
import warnings
from pathlib import Path
from typing import NoReturn

from tgl.jobs import place
from tgl.jobs.__main__ import READY, REPORT, SIGNALS

# Seconds without a command after which the server ends.
IDLE = 60
# Seconds that a process gets to save its state when its client is gone.
_GRACE = 30
# What stages import. None of these modules may use a GPU: a forked process could not use it any more.
MODULES = (
    "tgl.cli",
    "tgl.train.continual",
    "tgl.train.base",
    "tgl.train.baselines.replay",
    "tgl.analysis.agreement",
    "tgl.profiling.along",
    "tgl.report.stage",
    "tgl.text.stage",
    "tgl.text.diff.stage",
    "tgl.probes.stage",
    "transformers.models.gpt2.modeling_gpt2",
    "transformers.models.llama.modeling_llama",
)


def main(path: Path, lock: int) -> None:
    """Serve until there was no command for `IDLE` seconds.

    Args:
        path: The socket.
        lock: An open file, which is locked as long as this process lives.
    """
    os.set_inheritable(lock, False)
    added = _import_everything(path)
    if added is not None:
        path.unlink(missing_ok=True)  # of a server that was killed: this one holds the lock
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(os.fspath(path))
            os.chmod(path, 0o600)
            listener.listen(64)
            listener.setblocking(False)
            server = os.getpid()
            connection = Server(listener).serve()
        if connection is not None:
            os.close(lock)
            _run(connection, server, added)
    for suffix in (".sock", ".log", ".lock"):  # the lock last: without it, another server may begin
        path.with_suffix(suffix).unlink(missing_ok=True)


def _import_everything(path: Path) -> dict[str, str] | None:
    """Import `MODULES`; return the environment variables that they set, or None if the code changes meanwhile."""
    if place.socket_path() != path:
        return None
    code = place.code()
    # With it, PyTorch looks for a GPU without starting CUDA, which the forked processes could not use any more.
    os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"
    before = dict(os.environ)
    for name in MODULES:
        try:
            importlib.import_module(name)
        except Exception:  # an extra that is not installed: the commands that need it report it
            traceback.print_exc()
    if place.code() != code:
        return None
    os.chdir("/")
    for stream in (sys.stdout, sys.stderr):
        stream.flush()  # else each process would print it again
    gc.freeze()  # collections in the processes then leave the shared memory untouched
    return {name: value for name, value in os.environ.items() if before.get(name) != value}


class Server:
    """The running processes, each with the connection to the client that waits for it."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._waiting: dict[int, socket.socket] = {}
        self._ended, self._wake = os.pipe()
        for end in (self._ended, self._wake):
            os.set_blocking(end, False)
        # The handler does nothing: the signal itself, that a child has ended, wakes the selector.
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)

    def serve(self) -> socket.socket | None:
        """Fork a process for each connection, and report how each ended, until the server is idle.

        Returns:
            The connection in a new process; None in the server when it is idle.
        """
        last = time.monotonic()
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._ended, selectors.EVENT_READ)
            while self._waiting or time.monotonic() - last < IDLE:
                for key, _ in selector.select(timeout=IDLE / 10):
                    last = time.monotonic()
                    if key.fileobj is self._listener:
                        if (connection := self._begin()) is not None:
                            return connection
                    else:
                        with contextlib.suppress(BlockingIOError):
                            os.read(self._ended, 4096)
                self._reap()
        return None

    def _begin(self) -> socket.socket | None:
        """Fork a process for a new connection. Returns the connection in that process, None in the server."""
        try:
            connection, _ = self._listener.accept()
        except OSError:  # the client is gone, or too many files are open
            time.sleep(0.1)
            return None
        try:
            process = _fork()
        except OSError:  # too many processes, or too little memory: the command runs without the server
            traceback.print_exc()
            connection.close()
            return None
        if process:
            self._waiting[process] = connection
            return None
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for end in (self._ended, self._wake):
            os.close(end)
        for other in self._waiting.values():
            other.close()
        return connection

    def _reap(self) -> None:
        for process in list(self._waiting):
            ended, status, usage = os.wait4(process, os.WNOHANG)
            if ended:
                connection = self._waiting.pop(process)
                _report(connection, os.waitstatus_to_exitcode(status), usage.ru_maxrss)
                connection.close()


def _fork() -> int:
    with warnings.catch_warnings():
        # From Python 3.12 on, a fork warns of other threads. Those of the imported libraries are made for forks.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _report(connection: socket.socket, status: int, peak: int) -> None:
    with contextlib.suppress(OSError):  # the client is gone
        connection.sendall(REPORT.pack(status, peak))


def _run(connection: socket.socket, server: int, added: dict[str, str]) -> NoReturn:
    """Run a command in this process, as if Python had been started for it, and end the process."""
    os.setsid()
    if "torch" in sys.modules and sys.modules["torch"].cuda._is_in_bad_fork():
        # The server has started CUDA, so this process cannot use it. The command runs without the server.
        os._exit(1)
    try:
        # The client sends the command only after this byte. So the command cannot run twice, here and in the client.
        connection.sendall(READY)
        request, files = _received(connection)
    except (OSError, ValueError):  # the client is gone
        os._exit(1)
    status = 1
    try:
        _take_over(request, files, added)
        threading.Thread(target=_listen, args=[connection], daemon=True).start()
        runpy.run_module("tgl", run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    _end(status, connection, server)


def _received(connection: socket.socket) -> tuple[dict, list[int]]:
    """Return a request, and the files that are its standard input, output and error."""
    head, files, _, _ = socket.recv_fds(connection, 8, 3)
    length, content = int.from_bytes(head, "big"), bytearray()
    while len(content) < length and (piece := connection.recv(min(1 << 20, length - len(content)))):
        content += piece
    if len(files) != 3 or len(content) != length:
        raise ValueError("the request is not whole")
    return json.loads(content), files


def _take_over(request: dict, files: list[int], added: dict[str, str]) -> None:
    """Give this process what the client has: files, environment, working directory, signals, arguments."""
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    sys.stdout.reconfigure(line_buffering=os.isatty(1))
    os.umask(request["umask"])
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN if number in request["ignored"] else signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(added | request["environment"])
    os.chdir(request["folder"])
    if not sys.flags.safe_path:
        sys.path[0] = request["folder"]
    importlib.invalidate_caches()
    sys.argv = ["tgl", *request["arguments"]]
    sys.orig_argv = [sys.executable, "-m", "tgl", *request["arguments"]]


def _end(status: int, connection: socket.socket, server: int) -> NoReturn:
    """End this process as Python does, but without freeing each object, which takes up to a second."""
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            status = 120  # as Python itself
    if os.getppid() != server:  # the server was killed and cannot report the end
        import resource

        _report(connection, status & 0xFF, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    os._exit(status & 0xFF)


def _listen(connection: socket.socket) -> None:
    """Raise the signals that the client gets; end this process when the client is gone."""
    with contextlib.suppress(OSError):
        while numbers := connection.recv(16):
            for number in numbers:
                os.kill(os.getpid(), number)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE)
    os._exit(128 + signal.SIGTERM)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
