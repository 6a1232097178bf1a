"""Readable messages for errors of the machine: files that cannot be read or written, full memory and full disks."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator

from tgl.core.errors import TglError
from tgl.core.extras import missing_extra

_REMEDIES = {
    errno.ENOSPC: "free some there, or name another place",
    errno.EDQUOT: "free some space, or name another place",
    errno.EACCES: "change its permissions, or name another file",
    errno.EPERM: "change its permissions, or name another file",
    errno.EROFS: "name a place that can be written to",
    errno.ENAMETOOLONG: "use a shorter name",
    errno.ELOOP: "symbolic links lead in a circle: name an existing file",
    errno.EISDIR: "name a file",
    errno.ENOTDIR: "a part of this path is a file: name a path whose other parts are folders",
    errno.ENOENT: "name an existing file or folder",
    errno.EEXIST: "remove it, or name another place",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "close some files on this machine, or try again later",
    errno.ENOMEM: "use smaller inputs or a machine with more memory",
    errno.EIO: "check the disk, or name another place",
    errno.EPIPE: "the reader of the output is gone: let it read to the end",
}


def reason(error: OSError) -> str:
    """Return the operating system's message for an error, and what to do about it."""
    return f"{error.strerror or error}; {_REMEDIES.get(error.errno or 0, 'check this path and try again')}"


def told(error: BaseException) -> str | None:
    """Return a message for an error that the input or the machine caused; None for a bug in the program."""
    if isinstance(error, OSError):
        return f"{_place(error)}: {reason(error)}"
    if isinstance(error, RecursionError):
        return "the input is nested too deeply; expected at most a few hundred levels: simplify it"
    if isinstance(error, UnicodeError):
        return f"the text is not valid Unicode ({error}); expected UTF-8: convert the input"
    if isinstance(error, MemoryError) or _is_memory(error):
        return f"not enough memory ({_first_line(error)}); use smaller batches or inputs, or a machine with more memory"
    if "pyarrow" in _libraries(error):
        return f"a table cannot be read or written ({_first_line(error)}); check the tables given"
    if "torch" in _libraries(error) or _first_line(error).startswith("CUDA error"):
        return f"the device failed ({_first_line(error)}); try again, or on another device"
    return missing_extra(error)


@contextlib.contextmanager
def file_errors() -> Iterator[None]:
    """Raise TglError in place of OSError, in a block or in a function decorated with `file_errors()`."""
    try:
        yield
    except OSError as error:
        raise TglError(told(error) or str(error)) from error


def _place(error: OSError) -> str:
    names = [os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, str | bytes)]
    return " to ".join(names) or "input or output"


def _is_memory(error: BaseException) -> bool:
    # torch raises OutOfMemoryError for a GPU, but a plain RuntimeError for the CPU.
    return type(error).__name__ in ("OutOfMemoryError", "ArrowMemoryError") or (
        isinstance(error, RuntimeError)
        and any(
            words in str(error) for words in ("can't allocate memory", "not enough memory", "out of memory")
        )
    )


def _libraries(error: BaseException) -> set[str]:
    """Return the packages that define the error's classes."""
    return {kind.__module__.partition(".")[0] for kind in type(error).__mro__}


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
