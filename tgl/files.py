"""Files appear whole or not at all: everything is written beside its final name and renamed."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tgl.errors import TglError
from tgl.faults import reason

# Bytes that Linux's file systems allow in the name of a file or folder.
_LONGEST_NAME = 255


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; rename it to `path` when the block succeeds.

    Each caller gets a name of its own, so a process left over from a killed run cannot disturb a new one.
    The temporary file is removed when the block fails. Raises TglError where no file can be written, as
    `check_output`.
    """
    path = Path(path)
    check_output(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=_beside(path), suffix=".part", dir=path.parent)
    os.close(handle)
    part = Path(name)
    try:
        yield part
        publish(part, path)
    except OSError as error:
        # Arrow's errors name no file, and others the temporary one.
        if (
            error.filename in (None, name)
            and error.errno is not None
            and not isinstance(error, BrokenPipeError)
        ):
            error.filename = str(path)
        raise
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`, where nothing may be; rename it to `path` when the block succeeds.

    It is removed when the block fails.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=_beside(path), suffix=".part", dir=path.parent))
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


def check_file(path: str | Path, what: str) -> None:
    """Raise TglError unless `path` is a regular file that can be read; `what` says what is expected there.

    Nothing is opened: opening a pipe would wait for somebody to write into it.
    """
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        found = (
            f"a link to '{os.readlink(path)}', which is missing" if os.path.islink(path) else "no such file"
        )
        raise TglError(f"{path}: {found}; expected {what}") from None
    except OSError as error:
        raise TglError(f"{path}: {reason(error)}. Expected {what}") from None
    except ValueError:  # a null character
        raise TglError(f"{str(path)!r}: no name of a file; expected {what}") from None
    if not stat.S_ISREG(mode):
        found = "a folder" if stat.S_ISDIR(mode) else "a pipe, socket or device"
        raise TglError(f"{path}: {found} and no regular file; expected {what}")
    if not os.access(path, os.R_OK):
        raise TglError(f"{path}: permission denied; expected {what} that can be read")


def check_output(path: str | Path) -> None:
    """Raise TglError unless a file can be written at `path`, which may hold a file already."""
    path = Path(path)
    _check_place(path)
    if path.is_dir():
        raise TglError(f"{path}: a folder is there; expected the name of a file to write")
    if path.exists() and not path.is_file():
        raise TglError(f"{path}: a pipe, socket or device is there; expected the name of a file to write")


def check_output_folder(path: str | Path) -> None:
    """Raise TglError unless files can be written below `path`, a folder that may not be there yet."""
    _check_place(Path(path) / "file")


def _check_place(path: Path) -> None:
    """Raise TglError unless the folders above `path` are there, or can be made, and are writable."""
    for part in path.parts:
        if len(os.fsencode(part)) > _LONGEST_NAME:
            raise TglError(
                f"{path}: the name is too long; expected at most {_LONGEST_NAME} bytes in '{part[:20]}...'"
            )
    for folder in path.parents:
        try:
            mode = os.stat(folder).st_mode
        except FileNotFoundError:
            if folder.is_symlink():
                raise TglError(
                    f"{folder}: a link to '{os.readlink(folder)}', which is missing; expected a folder"
                ) from None
            continue
        except NotADirectoryError:
            continue  # the file is further up
        except OSError as error:
            raise TglError(f"{folder}: {reason(error)}") from None
        if not stat.S_ISDIR(mode):
            raise TglError(f"{path}: cannot be written, '{folder}' is a file; expected a folder there")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise TglError(
                f"{path}: cannot be written, '{folder}' is not writable; change its permissions, or name another place"
            )
        return


def _beside(path: Path) -> str:
    """Return how the temporary name next to a path begins; it is no longer than a name may be."""
    name = path.name.encode(errors="surrogateescape")[: _LONGEST_NAME - 20]
    return f".{name.decode(errors='ignore')}."


def workflow_folder(path: str | Path) -> Path | None:
    """Return the folder that a run of the workflow made `path` in, under its `results/`; None for any other file."""
    for parent in Path(os.path.abspath(path)).parents:
        if parent.name == "results" and any(
            (parent.parent / name).exists() for name in ("Snakefile", ".snakemake")
        ):
            return parent.parent
    return None


def how_to_mend(path: str | Path) -> str:
    """Return one sentence: what to do about a damaged file.

    Only the workflow's own artifacts can be made again: files under `results/` next to a Snakefile or Snakemake's
    own folder. Any other file is the user's, and is not to be deleted.
    """
    if workflow_folder(path) is not None:
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
