"""Stage `base_text`: write the table `pages` of a base model's own text."""

from __future__ import annotations

from pathlib import Path

from tgl.snapshots.documents.records import read_file
from tgl.snapshots.documents.stage import write_pages


def write_base_text(source: str | Path, output: str | Path, max_characters: int | None) -> dict[str, int]:
    """Write the table `pages` from a file of documents {id, title, text}, and return its counts.

    Args:
        source: The file: JSON lines, CSV or Parquet (`tgl.snapshots.documents.records`).
        output: The table to write.
        max_characters: Reading stops after this many characters of text. None means no limit.

    Raises:
        TglError: A record is wrong, or an id occurs twice. The message names the file and the line.
    """
    return write_pages(
        read_file(source),
        output,
        where=str(source),
        again=lambda: read_file(source),
        most_characters=max_characters,
    )
