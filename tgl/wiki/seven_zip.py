"""The one file of a .7z archive in pieces, in the memory of a few of them: py7zr pushes, a reader pulls."""

from __future__ import annotations

import io
import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from tgl.errors import TglError

_WAITING = 2  # pieces ahead of the reader
# Compressed bytes that py7zr gets at once: what they unpack to, at most some 30 MB, is in memory.
_LOOK = 1 << 12


class _ReaderGone(Exception):
    """Ends the thread when nobody reads on."""


def seven_zip_pieces(path: Path, size: int) -> Iterator[bytes]:
    """Yield the content of the only file in an archive in pieces of `size` bytes, the last one of what is left.

    A thread decompresses; it ends with the iterator. Raises TglError when the archive is damaged, cut off, encrypted,
    or has no or several files. Its checksum is known only after the last piece: whoever needs to know reads to the end.
    """
    pieces: queue.Queue[bytes | Exception | None] = queue.Queue(_WAITING)
    gone = threading.Event()

    waiting = bytearray()

    def hand_over(chunk: bytes) -> None:
        waiting.extend(chunk)
        while len(waiting) >= size:
            if gone.is_set():
                raise _ReaderGone
            pieces.put(bytes(waiting[:size]))
            del waiting[:size]

    def decompress() -> None:
        end = None
        try:
            _decompress(path, hand_over)
            if waiting:
                pieces.put(bytes(waiting))
        except Exception as error:  # a damaged header makes py7zr raise nearly anything
            end = error
        pieces.put(end)

    thread = threading.Thread(target=decompress, name=f"7z {path.name}", daemon=True)
    try:
        thread.start()
    except RuntimeError as error:  # the system gives no more threads
        raise TglError(
            f"{path}: a thread to decompress it cannot start ({error}). Raise `ulimit -u`."
        ) from None
    item: bytes | Exception | None = b""
    try:
        while isinstance(item := pieces.get(), bytes):
            yield item
    finally:
        gone.set()
        while isinstance(item, bytes):  # the thread may wait for room
            item = pieces.get()
        thread.join()
    if isinstance(item, TglError):
        raise item
    if item is not None:
        raise unreadable(path, item)


def unreadable(path: Path, error: Exception) -> TglError:
    """Return the error for a file that the system does not let be read, or whose content is damaged."""
    if isinstance(error, OSError) and error.errno is not None:
        return TglError(
            f"{path}: cannot be read ({error.strerror}). Expected a readable file: see to its disk and rights."
        )
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return TglError(f"{path}: cannot be decompressed ({what}); the file is damaged or cut off")


def _decompress(path: Path, hand_over: Callable[[bytes], None]) -> None:
    import py7zr
    from py7zr.io import Py7zIO, WriterFactory

    class Output(Py7zIO):
        def write(self, chunk: bytes) -> int:
            hand_over(chunk)
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
                raise TglError(f"{path}: {len(found)} files in the archive found, one expected; not a dump")
            file.most = _LOOK
            archive.extractall(factory=Outputs())
    except py7zr.PasswordRequired:
        raise TglError(f"{path}: the archive is encrypted; none of a wiki's dumps is") from None


class _Slow(io.FileIO):
    """A file that gives at most `most` bytes at once (-1: as many as asked for)."""

    most = -1

    def read(self, size: int | None = -1) -> bytes:
        size = -1 if size is None else size
        return super().read(self.most if self.most >= 0 and (size < 0 or size > self.most) else size)
