"""Run a command of tgl in a process that the server forks; without a server, start one and run the command here."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
import struct
import sys
from pathlib import Path

from tgl.jobs.place import SWITCH, socket_path

# What the server reports at the end: exit status, or minus the signal that killed the process; peak memory in KiB.
REPORT = struct.Struct("!iq")
# What a process sends when it is ready for a command. No report begins with this byte: a process that ends before it
# was ready is reported too, and its client must not take the report for readiness.
READY = b"R"
# These signals are passed on to the process of the command. Any other that ends this process ends the command too.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
SERVER = "tgl.jobs.server"
# Seconds in which the server must answer; after that the command runs here.
_PATIENCE = 10


def main() -> None:
    """Hand the command over to the server, or run it in this process."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # without a traceback, as in `python -m tgl`
    path = socket_path() if os.environ.get(SWITCH) else None
    if path is not None:
        _open_standard_files()
        server = _connected(path)
        if server is None:
            _start(path)
        elif _handed_over(server):
            sys.exit(_status(server))
        _print("no job server is ready; this command imports everything itself")
    os.execv(sys.executable, [sys.executable, "-m", "tgl", *sys.argv[1:]])


def _open_standard_files() -> None:
    """Open what is closed of standard input, output and error: else the socket would take its number."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _connected(path: Path) -> socket.socket | None:
    """Return a connection to the new process of a server; None where no server answers."""
    server = socket.socket(socket.AF_UNIX)
    with contextlib.suppress(OSError):
        server.settimeout(_PATIENCE)
        server.connect(os.fspath(path))
        if server.recv(1) == READY:
            server.settimeout(None)
            return server
    server.close()
    return None


def _handed_over(server: socket.socket) -> bool:
    """Send the command; return False where it did not arrive whole, so that it does not run."""
    mask = os.umask(0)
    os.umask(mask)
    try:
        request = {
            "arguments": sys.argv[1:],
            "folder": os.getcwd(),
            "environment": dict(os.environ),
            "umask": mask,
            "ignored": [number for number in SIGNALS if signal.getsignal(number) is signal.SIG_IGN],
        }
        content = json.dumps(request).encode()
        socket.send_fds(server, [len(content).to_bytes(8, "big")], [0, 1, 2])
        server.sendall(content)
    except OSError:
        server.close()
        return False
    return True


def _status(server: socket.socket) -> int:
    """Pass signals on to the process of the command until it ends; return its exit status."""

    def pass_on(number: int, frame: object) -> None:
        with contextlib.suppress(OSError):  # the process has just ended
            server.send(bytes([number]))

    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, pass_on)
    answer = b""
    with server, contextlib.suppress(OSError):
        while len(answer) < REPORT.size and (piece := server.recv(REPORT.size - len(answer))):
            answer += piece
    if len(answer) < REPORT.size:
        _print(
            "tgl: the process of this command was killed together with the job server; run the command again"
        )
        return 1
    status, peak = REPORT.unpack(answer)
    # The workflow's own measurement sees this process, not that of the command.
    _print(f"peak memory {peak // 1024} MiB")
    if status < 0:
        # A signal killed the process. This one dies of the same signal, so that its parent learns about it.
        with contextlib.suppress(OSError):  # SIGKILL has no handler
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
        return 128 - status
    return status


def _print(line: str) -> None:
    with contextlib.suppress(OSError):  # nobody reads
        os.write(2, f"{line}\n".encode())


def _start(path: Path) -> None:
    """Start the server for later commands, unless another process is starting it."""
    with contextlib.suppress(OSError):
        lock = os.open(path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # A server that ends removes the file. A lock on a removed file protects nothing.
        if not os.path.samestat(os.fstat(lock), os.stat(path.with_suffix(".lock"))):
            return
        # The server must be no child of the command: its resources would count with the command's.
        if process := os.fork():
            os.close(lock)
            os.waitpid(process, 0)
            return
        try:
            process = _new_server(path, lock)
        finally:
            os._exit(0)


def _new_server(path: Path, lock: int) -> object:
    """Start the server, which holds the lock until it ends."""
    import subprocess

    log = os.open(path.with_suffix(".log"), os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_APPEND, 0o600)
    # `python -m` finds modules in its working directory first. Only this package may come from there.
    root = Path(__file__).parents[2]
    environment = dict(os.environ)
    if folders := environment.get("PYTHONPATH"):
        environment["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, folders.split(os.pathsep)))
    return subprocess.Popen(
        [sys.executable, "-m", SERVER, os.fspath(path), str(lock)], pass_fds=[lock], stdin=subprocess.DEVNULL,
        stdout=log, stderr=log, start_new_session=True, cwd=root if Path.cwd() == root else "/", env=environment,
    )  # fmt: skip


if __name__ == "__main__":
    main()
