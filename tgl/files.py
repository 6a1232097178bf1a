"""Files appear whole or not at all: everything is written beside its final name and renamed."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; rename it to `path` when the block succeeds.

    Each caller gets a name of its own, so a process left over from a killed run cannot disturb a new one.
    The temporary file is removed when the block fails.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    os.close(handle)
    part = Path(name)
    try:
        yield part
        publish(part, path)
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`, where nothing may be; rename it to `path` when the block succeeds.

    It is removed when the block fails.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent))
    try:
        yield part
        os.chmod(part, 0o777 & ~_umask())
        os.rename(part, path)
    finally:
        shutil.rmtree(part, ignore_errors=True)


@contextlib.contextmanager
def scratch_folder(path: str | Path) -> Iterator[Path]:
    """Yield a temporary folder next to `path`, on the same file system; it is removed when the block ends."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", suffix=".part", dir=path.parent) as scratch:
        yield Path(scratch)


def publish(file: Path, target: Path) -> None:
    """Move a finished file of a `scratch_folder` to `target`, whole or not at all."""
    with open(file, "rb") as written:
        os.fsync(written.fileno())
    os.chmod(file, 0o666 & ~_umask())
    os.replace(file, target)


def how_to_mend(path: str | Path) -> str:
    """Return one sentence: what to do about a damaged file.

    Only the workflow's own artifacts can be made again: files under `results/` beside a Snakefile or Snakemake's
    own folder. Any other file is the user's, and is not to be deleted.
    """
    whole = Path(os.path.abspath(path))
    for parent in whole.parents:
        if parent.name == "results" and any(
            (parent.parent / name).exists() for name in ("Snakefile", ".snakemake")
        ):
            return "Delete it and run the workflow again."
    return "Give an undamaged file."


def write_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8, atomically."""
    with atomic_path(path) as part:
        part.write_text(text, encoding="utf-8")


def sha1_file(path: str | Path) -> str:
    """Return the hexadecimal SHA-1 of a file, read in pieces."""
    return file_digest(path, "sha1")


def sha256_file(path: str | Path) -> str:
    """Return the hexadecimal SHA-256 of a file, read in pieces."""
    return file_digest(path, "sha256")


def file_digest(path: str | Path, kind: str) -> str:
    """Return a hexadecimal digest of a file by hashlib's name of its algorithm, read in pieces."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, kind).hexdigest()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
