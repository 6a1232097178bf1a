"""Read the only file of a .7z archive in pieces, with only a few pieces in memory.

py7zr pushes decompressed data, but the reader pulls it, so that a thread connects the two.
"""

from __future__ import annotations

import io
import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from tgl.core.errors import TglError

_WAITING = 2  # pieces decompressed ahead of the reader
# Compressed bytes that py7zr reads at once. They unpack to at most some 30 MB, which is in memory.
_LOOK = 1 << 12


class _ReaderGone(Exception):
    """The reader has stopped, so that the thread must end."""


def seven_zip_pieces(path: Path, size: int) -> Iterator[bytes]:
    """Yield the content of the only file in an archive in pieces of `size` bytes; the last one may be shorter.

    A thread decompresses the archive and ends with the iterator. The checksum is known only after the last piece, so a
    caller that needs it must read to the end.

    Raises:
        TglError: The archive is damaged, cut off or encrypted, or does not contain exactly one file.
    """
    pieces: queue.Queue[bytes | Exception | None] = queue.Queue(_WAITING)
    gone = threading.Event()

    waiting = bytearray()

    def pass_on(chunk: bytes) -> None:
        waiting.extend(chunk)
        while len(waiting) >= size:
            if gone.is_set():
                raise _ReaderGone
            pieces.put(bytes(waiting[:size]))
            del waiting[:size]

    def decompress() -> None:
        end = None
        try:
            _decompress(path, pass_on)
            if waiting:
                pieces.put(bytes(waiting))
        except Exception as error:  # py7zr raises many kinds of errors for a damaged header
            end = error
        pieces.put(end)

    thread = threading.Thread(target=decompress, name=f"7z {path.name}", daemon=True)
    try:
        thread.start()
    except RuntimeError as error:  # the system has no more threads
        raise TglError(
            f"{path}: cannot start a thread to decompress it ({error}). Raise `ulimit -u`."
        ) from None
    item: bytes | Exception | None = b""
    try:
        while isinstance(item := pieces.get(), bytes):
            yield item
    finally:
        gone.set()
        while isinstance(item, bytes):  # the thread may be waiting for space in the queue
            item = pieces.get()
        thread.join()
    if isinstance(item, TglError):
        raise item
    if item is not None:
        raise unreadable(path, item)


def unreadable(path: Path, error: Exception) -> TglError:
    """Return the error for a file that the system cannot read or whose content is damaged."""
    if isinstance(error, OSError) and error.errno is not None:
        return TglError(
            f"{path}: cannot be read ({error.strerror}). Expected a readable file: check its disk and permissions."
        )
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return TglError(f"{path}: cannot be decompressed ({what}). The file is damaged or cut off, replace it")


def _decompress(path: Path, pass_on: Callable[[bytes], None]) -> None:
    import py7zr
    from py7zr.io import Py7zIO, WriterFactory

    class Output(Py7zIO):
        def write(self, chunk: bytes) -> int:
            pass_on(chunk)
            return len(chunk)

        def read(self, size: int | None = None) -> bytes:
            return b""

        def seek(self, offset: int, whence: int = 0) -> int:
            return 0

        def flush(self) -> None:
            pass

        def size(self) -> int:
            return 0

    class Outputs(WriterFactory):
        def create(self, filename: str) -> Py7zIO:
            return Output()

    try:
        with _Slow(path) as file, py7zr.SevenZipFile(file) as archive:
            found = [member.filename for member in archive.list() if member.is_file]
            if len(found) != 1:
                raise TglError(f"{path}: found {len(found)} files in the archive, expected one. Give a dump")
            file.most = _LOOK
            archive.extractall(factory=Outputs())
    except py7zr.PasswordRequired:
        raise TglError(f"{path}: the archive is encrypted. Give a dump as the wiki publishes it") from None


class _Slow(io.FileIO):
    """A file that returns at most `most` bytes at once; -1 means no limit."""

    most = -1

    def read(self, size: int | None = -1) -> bytes:
        size = -1 if size is None else size
        return super().read(self.most if self.most >= 0 and (size < 0 or size > self.most) else size)
