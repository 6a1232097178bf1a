"""Read the XML of dump files in pieces: .xml, .7z, and .bz2 with one or several streams.

In a .bz2 file with several streams, only the streams with a range of page ids are decompressed. Each stream starts at a
byte boundary with ten bytes that do not occur by chance elsewhere. A search finds these bytes without the index file of
a dump. Page ids rise along a file, so a binary search over the streams finds the start of a range.
"""

from __future__ import annotations

import bz2
import io
import mmap
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from pathlib import Path

from tgl.core.errors import TglError
from tgl.snapshots.dumps.missing_text import refuse_stub
from tgl.snapshots.dumps.seven_zip import seven_zip_pieces, unreadable

PIECE = 1 << 20
# Smaller .bz2 files are decompressed by one thread: the import of the library takes as long.
_PARALLEL_FROM = 16 << 20
# "BZh", the block size, and the digits of pi with which a block starts.
_STREAM = re.compile(rb"BZh[1-9]\x31\x41\x59\x26\x53\x59")
_FIRST_ID = re.compile(rb"<page>.*?<id>(\d{1,18})</id>", re.DOTALL)
# Dumps are called NAME.xml-pNpM.bz2, Content File Exports NAME-pNpM.xml.bz2, or -pNrMrK for some revisions of page N.
_NAMED_RANGE = re.compile(
    r"(?:\.xml-p(?P<first>\d{1,18})p(?P<last>\d{1,18})|-p(?P<begin>\d{1,18})(?:p(?P<end>\d{1,18})|r\d+r\d+)\.xml)"
    r"\.(?:bz2|7z)$"
)
_REVISIONS_OF_PAGE = re.compile(
    r"(?P<name>.*-p(?P<page>\d{1,18}))r(?P<first>\d{1,18})r\d{1,18}(?P<end>\.xml\.(?:bz2|7z))"
)
# Called with the bytes read and the total.
Read = Callable[[int, int], None]
_LOOK = 1 << 14  # bytes decompressed at once
_MOST_BEFORE_ID = 1 << 24


def xml_pieces(
    path: str | Path,
    first: int = 0,
    last: int | None = None,
    *,
    read: Read = lambda done, total: None,
    threads: int = 1,
) -> Iterator[bytes]:
    """Yield the XML of a dump file in pieces of at most 1 MiB.

    With a range of page ids, files whose name excludes the range (-p1p1500) and streams outside the range are skipped.
    The pieces still form one document. Pages outside the range may be included.

    Args:
        path: The dump file.
        first: The first page id of the range.
        last: The last page id of the range, or None for no limit.
        read: Called before each piece with the bytes of the file read so far and in total, except for .7z files.
        threads: Threads that decompress a large .bz2 file. Two read twice as fast if a second core is free, and half as
            fast if not.

    Raises:
        TglError: The file does not exist, is not an .xml, .bz2 or .7z file, is a stub dump by its name, or is damaged.
            Damage in a .7z file is detected only after the last piece.
    """
    path = Path(path)
    if not path.is_file():
        raise TglError(f"{path}: no such dump file. Give the path of an existing file")
    refuse_stub(path)
    if path.suffix not in (".bz2", ".7z", ".xml"):
        raise TglError(f"{path}: not a dump file by its name, expected .xml, .xml.bz2 or .xml.7z")
    if holds_none(path, first, last):
        yield b"<mediawiki></mediawiki>"
        return
    if path.suffix == ".7z":
        yield from seven_zip_pieces(path, PIECE)
        return
    size = path.stat().st_size
    try:
        if path.suffix == ".xml":
            with open(path, "rb") as stream:
                for piece in iter(lambda: stream.read(PIECE), b""):
                    read(stream.tell(), size)
                    yield piece
            return
        part = None if (first, last) == (0, None) else _part(path, first, last)
        if threads > 1 and part is None and size >= _PARALLEL_FROM:
            yield from _in_parallel(path, size, read, threads=threads)
            return
        start, end = part or (0, None)
        if start:
            yield b"<mediawiki>"
        with open(path, "rb") as file, bz2.open(file if part is None else _Part(file, start, end)) as stream:
            for piece in iter(lambda: stream.read1(PIECE), b""):  # the first stream may contain only the head
                read(file.tell() - start, (size if end is None else end) - start)
                yield piece
        if end is not None:
            yield b"</mediawiki>"
    except (EOFError, OSError) as error:
        raise unreadable(path, error) from None


def _in_parallel(path: Path, size: int, read: Read, *, threads: int) -> Iterator[bytes]:
    """Yield the content of a whole .bz2 file, decompressed by several threads."""
    from rapidgzip import IndexedBzip2File  # takes as long to import as a small file to read

    try:
        with IndexedBzip2File(str(path), parallelization=threads) as stream:
            for piece in iter(lambda: stream.read(PIECE), b""):
                read(min(stream.tell_compressed() // 8, size), size)
                yield piece
    except (RuntimeError, ValueError) as error:
        raise unreadable(path, error) from None


def holds_none(path: str | Path, first: int, last: int | None) -> bool:
    """Return whether the name of a file states that the file has no page of a range of ids."""
    named = _NAMED_RANGE.search(Path(path).name)
    if named is None:
        return False
    begin = int(named["first"] or named["begin"])
    end = int(named["last"] or named["end"] or begin)
    return end < first or (last is not None and begin > last)


def page_in_parts(path: str | Path) -> tuple[str, int] | None:
    """Return (name of the whole, number of the first revision) of a file with some revisions of one page; else None.

    Content File Exports divide the revisions of a very large page among files, as NAME-p10r1r500.xml.bz2 and
    NAME-p10r501r900.xml.bz2. The name of the whole is NAME-p10p10.xml.bz2.
    """
    match = _REVISIONS_OF_PAGE.fullmatch(Path(path).name)
    return match and (f"{match['name']}p{match['page']}{match['end']}", int(match["first"]))


def written_name(path: str | Path) -> str:
    """Return the name of a dump made from a dump file: the same name with the ending .bz2, without revisions."""
    whole = page_in_parts(path)
    name = Path(path).name if whole is None else whole[0]
    stem = name.removesuffix(".7z").removesuffix(".bz2")
    return f"{stem}.bz2" if ".xml" in stem else f"{stem}.xml.bz2"


def _part(path: Path, first: int, last: int | None) -> tuple[int, int | None] | None:
    """Return the bytes [start, end) with a range of page ids; None means all, as for a file with one stream."""
    streams = _Streams(path)
    start = max(bisect_right(streams, first) - 1, 0)
    end = len(streams) if last is None else max(bisect_right(streams, last), start + 1)
    # Some programs start streams anywhere, not only between pages.
    if len(streams) < 2 or not all(
        streams.begins_with_page(edge) for edge in (start, end) if 0 < edge < len(streams)
    ):
        return None
    return streams.offsets[start], streams.offsets[end] if end < len(streams) else None


class _Streams:
    """The streams of a file, as a lazy sequence of the first page id in or after each stream."""

    def __init__(self, path: Path) -> None:
        self.path, self.offsets = path, []
        if not path.stat().st_size:
            return
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            self.offsets = [match.start() for match in _STREAM.finditer(content)]

    def __len__(self) -> int:
        return len(self.offsets)

    def __getitem__(self, number: int) -> int:
        for text in self._beginnings(number):
            if match := _FIRST_ID.search(text):
                return int(match[1])
        return 1 << 63  # after the last page

    def begins_with_page(self, number: int) -> bool:
        """Return whether the stream starts with a page or with the end of the dump."""
        return next(self._beginnings(number), b"").lstrip().startswith((b"<page>", b"</mediawiki>"))

    def _beginnings(self, number: int) -> Iterator[bytes]:
        """Yield longer and longer prefixes of the text that starts with a stream."""
        with open(self.path, "rb") as file:
            text = b""
            with bz2.open(_Part(file, self.offsets[number], None)) as stream:
                while len(text) < _MOST_BEFORE_ID and (piece := stream.read(_LOOK)):
                    text += piece
                    yield text


class _Part(io.RawIOBase):
    """The bytes [start, end) of an open file, as a file."""

    def __init__(self, file, start: int, end: int | None) -> None:
        self._file, self._left = file, None if end is None else end - start
        file.seek(start)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        size = len(buffer) if self._left is None else min(len(buffer), self._left)
        found = self._file.read(size)
        buffer[: len(found)] = found
        if self._left is not None:
            self._left -= len(found)
        return len(found)
