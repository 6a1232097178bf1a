"""Processes that clean pages, found and disturbed from outside, and rules that misbehave on chosen pages."""

import os
from pathlib import Path

# Python imports it at its start, before any page. Words in a page's text choose what goes wrong with the page.
MISBEHAVIOUR = """
import os, signal, time
import tgl.snapshots.extract.wikitext as wikitext

clean, pages = wikitext.clean, 0

def disturbed(text, keep, title):
    global pages
    pages += 1
    for name in ("SIGSEGV", "SIGABRT", "SIGKILL", "SIGTERM", "SIGHUP"):
        if name in text:
            os.kill(os.getpid(), getattr(signal, name))
            time.sleep(60)
    if "EXIT" in text:
        os._exit(3)
    if "KEYERROR" in text:
        raise KeyError("a rule's mistake")
    if "USEDUP" in text and pages > 1:
        raise MemoryError
    if "SLOW" in text:
        time.sleep(60)
    return clean(text, keep, title)

wikitext.clean = disturbed
"""


def misbehave(folder: Path, monkeypatch, content: str = MISBEHAVIOUR, name: str = "sitecustomize.py") -> None:
    """Let every Python process started from now on import a module of this content."""
    (folder / name).write_text(content)
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    monkeypatch.setenv("PYTHONPATH", path)


def cleaning_processes(parent: int) -> list[int]:
    """Return the ids of the processes that clean pages for a process, zombies left out."""
    entries = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
    return [pid for pid in entries if (found := _status(pid)) and found[1] == parent and _cleans(pid)]


def is_running(pid: int) -> bool:
    """Tell whether a process is there and no zombie."""
    return _status(pid) is not None


def _status(pid: int) -> tuple[str, int] | None:
    """Return a process's state and its parent, None for one that has ended."""
    try:
        state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    except OSError:
        return None
    return None if state == "Z" else (state, int(parent))


def _cleans(pid: int) -> bool:
    try:
        return b"tgl.snapshots.extract.cleaning" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
