"""List the files of an experiment's folder and hash them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from tgl.core.files import sha256_file
from tgl.provenance.manifest import NAME, File

# Files and folders of a run that are not artifacts.
LEFT_OUT = ("logs", "benchmarks", "state", NAME)


def relative_to(folder: str | Path, path: str | Path) -> str:
    """Return a path relative to a folder. An absolute path outside the folder stays absolute."""
    relative = Path(os.path.relpath(path, folder)).as_posix()
    return str(path) if os.path.isabs(path) and relative.startswith("../") else relative


def artifact_files(folder: str | Path) -> dict[str, float]:
    """Return every artifact of an experiment's folder with its modification time in seconds.

    Logs, benchmarks, state and the manifest are not artifacts.
    """
    found = {}
    for parent, folders, names in os.walk(folder):
        if Path(parent) == Path(folder):
            folders[:] = [name for name in folders if name not in LEFT_OUT]
            names = [name for name in names if name not in LEFT_OUT]
        for name in names:
            path = Path(parent, name)
            with contextlib.suppress(FileNotFoundError):  # Another process can remove a file at any time.
                found[path.relative_to(folder).as_posix()] = path.lstat().st_mtime
    return found


class Hashes:
    """Hashes of the files of a folder. A known file of the same size and time is not read again."""

    def __init__(self, folder: str | Path, known: Iterable[File] = ()) -> None:
        self.folder = Path(folder)
        self.known = {file.path: file for file in known}

    def __call__(self, path: str) -> File | None:
        """Return the current state of a file; None if the path is not a file."""
        full = self.folder / path
        if not full.is_file():
            return None
        stat = full.stat()
        before = self.known.get(path)
        if before is None or (before.bytes, before.mtime_ns) != (stat.st_size, stat.st_mtime_ns):
            self.known[path] = File(
                path=path, sha256=sha256_file(full), bytes=stat.st_size, mtime_ns=stat.st_mtime_ns
            )
        return self.known[path]
