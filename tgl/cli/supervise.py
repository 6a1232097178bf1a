"""Watch over the processes of one stage: pass signals on, end the others when one fails, report what killed it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping

from tgl.core.interruptions import SIGNALS

# Seconds that processes get to finish their step and save their state, once they are told to end.
_PATIENCE = 600
# Seconds that they get when another one has failed: without it no state can be saved.
_GRACE = 5
# Seconds until an orphan exits even in the middle of a step.
_ORPHAN_GRACE = 30
_TICK = 0.1
# The variable that tells a process who started it.
PARENT = "TGL_PARENT"
_GOES_ON = "the same command goes on from the last saved state"


def supervise(
    processes: Mapping[str, subprocess.Popen],
    done: Callable[[], bool],
    first_to_speak: Callable[[], bool],
    *,
    lost_peer: int,
) -> int:
    """Wait for processes that belong together and return the exit status of the whole.

    processes: by the name that a message gives them. done: tells whether the work of all is done; what happens to a
    process after that is no failure. first_to_speak: tells whether no message about it was printed yet, and records
    that one is. lost_peer: exit status of a process that only noticed the end of another one.

    SIGTERM and SIGINT are passed on as SIGTERM, since a terminal sends SIGINT to every process itself and a second
    one ends them at once. A process that fails ends the others. The status is 128 + the signal that was received,
    else that of the first failure; 0 where none failed.
    """
    received: list[int] = []
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number in (number for number, handler in before.items() if handler is not signal.SIG_IGN):
        signal.signal(number, lambda number, frame: received.append(number))
    try:
        statuses = _statuses(processes, received, first_to_speak)
        failures = {name: status for name, status in statuses.items() if status}
        if not failures or done():
            return 0
        if received:
            return 128 + received[0]
        name, status = _cause(failures, lost_peer)
        if status < 0:
            _report(_killed(name, processes[name].pid, -status))
            return 128 - status
        if status == lost_peer:
            time.sleep(1)  # for the other node, which knows more
            if first_to_speak():
                _report(f"{name} lost its connection to another process; {_GOES_ON}")
            return 1
        return status
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _report(text: str) -> None:
    print(f"tgl: {text}", file=sys.stderr, flush=True)


def _statuses(
    processes: Mapping[str, subprocess.Popen], received: list[int], first_to_speak: Callable[[], bool]
) -> dict[str, int]:
    """Return the exit status of each process in the order of their ends, those that this ends not among them."""
    statuses: dict[str, int] = {}
    running = dict(processes)
    passed_on, deadline = 0, None
    while running:
        ended = {name: status for name, process in running.items() if (status := process.poll()) is not None}
        running = {name: process for name, process in running.items() if name not in ended}
        if deadline is None or received:
            statuses |= ended
        now = time.monotonic()
        if len(received) > passed_on:
            _signal(running, signal.SIGKILL if received.count(signal.SIGINT) > 1 else signal.SIGTERM)
            passed_on, deadline = len(received), deadline or now + _PATIENCE
        elif deadline is None and any(ended.values()):
            # Failures come in groups: what ends in the same moment by itself is recorded as well.
            time.sleep(_TICK)
            statuses |= {name: status for name, p in running.items() if (status := p.poll()) is not None}
            if min(statuses.values()) < 0:
                first_to_speak()  # about the kill, before the others notice that they are to end
            _signal(running, signal.SIGTERM)
            deadline = now + _GRACE
        elif deadline is not None and now > deadline:
            _signal(running, signal.SIGKILL)
        time.sleep(_TICK)
    return statuses


def _signal(processes: Mapping[str, subprocess.Popen], number: int) -> None:
    for process in processes.values():
        process.send_signal(number)


def _cause(failures: Mapping[str, int], lost_peer: int) -> tuple[str, int]:
    """Return the failure that explains the others: a kill before an error before a lost connection."""
    return min(failures.items(), key=lambda item: (item[1] >= 0, item[1] == lost_peer))


def _killed(name: str, pid: int, number: int) -> str:
    why = " (the system does so where memory is short)" if number == signal.SIGKILL else ""
    by = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
    return (
        f"{name} (process {pid} on {socket.gethostname()}) was killed by {by}{why}, so the "
        f"others were ended; {_GOES_ON}"
    )


def end_with_parent() -> None:
    """End this process when the one that started it has died: save the state first where that can be done."""
    # Under torchrun nobody has noted it; here it may be dead before this is called.
    parent = int(os.environ.get(PARENT, os.getppid()))

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_ORPHAN_GRACE)
        os._exit(128 + signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
