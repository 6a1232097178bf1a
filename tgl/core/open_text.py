"""Open text files, plain or compressed."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from tgl.core.errors import TglError

COMPRESSED = (".gz", ".bz2", ".xz", ".zst")


@contextlib.contextmanager
def open_text(path: str | Path, what: str, *, newline: str | None = None) -> Iterator[TextIO]:
    """Open a file as UTF-8 text, without a byte order mark, and unpack .gz, .bz2, .xz and .zst.

    Args:
        path: The file.
        what: What the file should be, for the message about a missing one.
        newline: As for `open`.

    Raises:
        TglError: The file is missing, or it is damaged, which may show only while it is read.
    """
    path = Path(path)
    if not path.is_file():
        raise TglError(f"{path}: no such file, expected {what}. Give the path of an existing file")
    try:
        with _opened(path, newline) as stream:
            yield stream
    except (EOFError, OSError, zlib.error, lzma.LZMAError, UnicodeDecodeError) as error:
        raise TglError(
            f"{path}: cannot be read ({error}); expected {what}, in UTF-8. The file is damaged, replace it"
        ) from None


def _opened(path: Path, newline: str | None) -> TextIO:
    encoding = "utf-8-sig"
    if path.suffix == ".zst":
        import pyarrow as pa

        unpacked = pa.CompressedInputStream(pa.OSFile(str(path)), "zstd")
        return io.TextIOWrapper(io.BufferedReader(unpacked), encoding, newline=newline)
    opener = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}.get(path.suffix, open)
    return opener(path, "rt", encoding=encoding, newline=newline)
