"""Write files atomically: write next to the final name, then rename."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tgl.core.errors import TglError
from tgl.core.faults import reason

# Linux's file systems allow this many bytes in the name of a file or folder.
_LONGEST_NAME = 255


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; rename it to `path` when the block succeeds.

    Each caller gets a different name, so a process that a killed run left behind cannot disturb a new run. If the
    block fails, the temporary file is removed.

    Raises:
        TglError: No file can be written at `path`; see `check_output`.
    """
    path = Path(path)
    check_output(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=_part_prefix(path), suffix=".part", dir=path.parent)
    os.close(handle)
    part = Path(name)
    try:
        yield part
        publish(part, path)
    except OSError as error:
        # Arrow's errors name no file, and other errors name the temporary file.
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
    """Yield a temporary folder next to `path`; rename it to `path` when the block succeeds.

    If the block fails, the folder is removed. `path` must not exist.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=_part_prefix(path), suffix=".part", dir=path.parent))
    try:
        yield part
        os.chmod(part, 0o777 & ~_umask())
        os.rename(part, path)
    finally:
        shutil.rmtree(part, ignore_errors=True)


@contextlib.contextmanager
def scratch_folder(path: str | Path) -> Iterator[Path]:
    """Yield a temporary folder next to `path`, on the same file system; remove it when the block ends."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", suffix=".part", dir=path.parent) as scratch:
        yield Path(scratch)


def publish(file: Path, target: Path) -> None:
    """Move a finished file of a `scratch_folder` to `target` atomically."""
    with open(file, "rb") as written:
        os.fsync(written.fileno())
    os.chmod(file, 0o666 & ~_umask())
    os.replace(file, target)


def check_file(path: str | Path, what: str) -> None:
    """Check that `path` is a regular file that can be read.

    The function does not open the file, because opening a pipe waits for a writer.

    Args:
        path: The file to check.
        what: What is expected there, for the error message.

    Raises:
        TglError: The file is missing, is not a regular file, or cannot be read.
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
    except ValueError:  # The path holds a null character.
        raise TglError(f"{str(path)!r}: not a valid file name; expected {what}") from None
    if not stat.S_ISREG(mode):
        found = "a folder" if stat.S_ISDIR(mode) else "a pipe, socket or device"
        raise TglError(f"{path}: {found}, not a regular file; expected {what}")
    if not os.access(path, os.R_OK):
        raise TglError(f"{path}: permission denied; expected {what} that can be read")


def check_output(path: str | Path) -> None:
    """Check that a file can be written at `path`. A file may exist there already.

    Raises:
        TglError: Another kind of object exists at `path`, its name is too long, or its folder is not writable.
    """
    path = Path(path)
    _check_place(path)
    if path.is_dir():
        raise TglError(f"{path}: found a folder; expected the name of a file to write")
    if path.exists() and not path.is_file():
        raise TglError(f"{path}: found a pipe, socket or device; expected the name of a file to write")


def check_output_folder(path: str | Path) -> None:
    """Check that files can be written below `path`, a folder that need not exist yet.

    Raises:
        TglError: Files cannot be written there.
    """
    _check_place(Path(path) / "file")


def _check_place(path: Path) -> None:
    """Raise TglError unless the folders above `path` are writable, or can be created."""
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
            continue  # A folder further up is a file; the loop finds it later.
        except OSError as error:
            raise TglError(f"{folder}: {reason(error)}") from None
        if not stat.S_ISDIR(mode):
            raise TglError(f"{path}: cannot be written because '{folder}' is a file; expected a folder there")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise TglError(
                f"{path}: cannot be written because '{folder}' is not writable. "
                "Change its permissions, or name another place"
            )
        return


def _part_prefix(path: Path) -> str:
    """Return the prefix of the temporary name for a path, short enough for a file name."""
    name = path.name.encode(errors="surrogateescape")[: _LONGEST_NAME - 20]
    return f".{name.decode(errors='ignore')}."


def workflow_folder(path: str | Path) -> Path | None:
    """Return the folder of the workflow run that wrote `path` below its `results/`; None for any other file."""
    for parent in Path(os.path.abspath(path)).parents:
        if parent.name == "results" and any(
            (parent.parent / name).exists() for name in ("Snakefile", ".snakemake")
        ):
            return parent.parent
    return None


def how_to_mend(path: str | Path) -> str:
    """Return one sentence with what to do about a damaged file.

    The workflow can only rebuild its own artifacts: files below `results/` next to a Snakefile or to Snakemake's
    folder. Any other file belongs to the user and must not be deleted.
    """
    if workflow_folder(path) is not None:
        return "Delete it and run the workflow again."
    return "Give an undamaged file."


def write_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8, atomically."""
    with atomic_path(path) as part:
        part.write_text(text, encoding="utf-8")


def sha1_file(path: str | Path) -> str:
    """Return the hexadecimal SHA-1 of a file. Reads the file in pieces."""
    return file_digest(path, "sha1")


def sha256_file(path: str | Path) -> str:
    """Return the hexadecimal SHA-256 of a file. Reads the file in pieces."""
    return file_digest(path, "sha256")


def file_digest(path: str | Path, kind: str) -> str:
    """Return a hexadecimal digest of a file. Reads the file in pieces.

    Args:
        path: The file.
        kind: hashlib's name of the algorithm, such as `sha1`.
    """
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, kind).hexdigest()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
