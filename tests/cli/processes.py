"""Which processes are there, and what they hear."""

import signal
from pathlib import Path


def hear_sigint() -> None:
    """Undo, in a new process, what a shell sets for the tests when it runs them in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def living(session: int) -> dict[int, str]:
    """Return the command lines, by number, of a session's processes that have not ended."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, of = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
            command = (folder / "cmdline").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(of) == session and state not in "ZX":
            found[int(folder.name)] = command.replace("\0", " ")
    return found
