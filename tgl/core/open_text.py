"""Open text files, plain or compressed."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TextIO

from tgl.core.errors import TglError

COMPRESSED = (".gz", ".bz2", ".xz", ".zst")
_BUFFER = 1 << 20


@contextlib.contextmanager
def open_text(
    path: str | Path, what: str, *, newline: str | None = None, position: Callable[[int], None] | None = None
) -> Iterator[TextIO]:
    """Open a file as UTF-8 text, without a byte order mark, and unpack .gz, .bz2, .xz and .zst.

    Args:
        path: The file.
        what: What the file should be, for the message about a missing one.
        newline: As for `open`.
        position: Called with the bytes of the file, as it is stored, that have been read so far.

    Raises:
        TglError: The file is missing, or it is damaged, which may show only while it is read.
    """
    path = Path(path)
    if not path.is_file():
        raise TglError(f"{path}: no such file, expected {what}. Give the path of an existing file")
    try:
        with (
            open(path, "rb") as stored,
            _unpacked(_Watched(stored, position), path.suffix.lower()) as unpacked,
        ):
            yield io.TextIOWrapper(io.BufferedReader(unpacked, _BUFFER), "utf-8-sig", newline=newline)
    except (EOFError, OSError, zlib.error, lzma.LZMAError, UnicodeDecodeError) as error:
        raise TglError(
            f"{path}: cannot be read ({error}); expected {what}, in UTF-8. The file is damaged, replace it"
        ) from None


class _Watched(io.RawIOBase):
    """A file that reports how much of it has been read."""

    def __init__(self, file: BinaryIO, position: Callable[[int], None] | None) -> None:
        self._file, self._position, self._read = file, position, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        found = self._file.readinto(buffer)
        self._read += found
        if self._position is not None:
            self._position(self._read)
        return found


def _unpacked(file: io.RawIOBase, suffix: str) -> io.RawIOBase:
    if suffix == ".zst":
        import pyarrow as pa

        return pa.CompressedInputStream(pa.PythonFile(file, "r"), "zstd")
    if suffix == ".gz":
        return gzip.GzipFile(fileobj=io.BufferedReader(file, _BUFFER))
    new = {".bz2": bz2.BZ2Decompressor, ".xz": lzma.LZMADecompressor}.get(suffix)
    return file if new is None else _Streams(file, new)


class _Streams(io.RawIOBase):
    """The unpacked bytes of a .bz2 or .xz file of one or several streams, perhaps with zeros in between or at the end.

    Python's own readers take a damaged stream after the first one for the end of the file.
    """

    def __init__(
        self, file: io.RawIOBase, new: Callable[[], bz2.BZ2Decompressor | lzma.LZMADecompressor]
    ) -> None:
        self._file, self._new, self._stream, self._rest = file, new, new(), b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        while True:
            given = b""
            if self._stream is None or self._stream.needs_input:
                given, self._rest = self._rest or self._file.read(_BUFFER), b""
                if not given and self._stream is None:
                    return 0
                if not given:
                    raise EOFError("it ends inside a compressed stream")
            if self._stream is None:
                given = given.lstrip(b"\0")
                if not given:
                    continue
                self._stream = self._new()
            found = self._stream.decompress(given, len(buffer))
            if self._stream.eof:
                self._stream, self._rest = None, self._stream.unused_data
            if found:
                buffer[: len(found)] = found
                return len(found)
