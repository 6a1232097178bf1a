"""The processes below a run, as the kernel lists them, by what they do."""

import contextlib
import os
import signal
from pathlib import Path

# A process is of the first kind whose words stand in its command line.
KINDS = {
    "cleaning worker": ("tgl.snapshots.extract.cleaning",),
    "launcher": ("torch.distributed.run",),
    "job": ("-m\0tgl\0",),
    "workflow": ("snakemake",),
}


def below(root: int) -> dict[int, str]:
    """Return {process: kind} of a process's descendants that are of a kind; a job under a launcher is a trainer."""
    parents, commands = {}, {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                # the name before the parent's number may hold blanks and brackets
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                commands[int(folder.name)] = (folder / "cmdline").read_bytes().decode(errors="replace")
    kinds = {}
    for process in parents:
        above = _ancestors(process, parents)
        kind = _kind(commands.get(process, ""))
        if root not in above or kind is None:
            continue
        started = above[: above.index(root)]
        launched = any(_kind(commands.get(other, "")) == "launcher" for other in started)
        kinds[process] = "trainer" if kind == "job" and launched else kind
    return kinds


def kill(process: int) -> bool:
    """SIGKILL a process; tell whether it was still there."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
        return True
    return False


def _ancestors(process: int, parents: dict[int, int]) -> list[int]:
    found = []
    while (process := parents.get(process, 0)) and process not in found:
        found.append(process)
    return found


def _kind(command: str) -> str | None:
    return next((kind for kind, words in KINDS.items() if any(word in command for word in words)), None)
