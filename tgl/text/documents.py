"""Make training documents from pages or from a diff, and determine the held-out pages."""

from __future__ import annotations

import hashlib
import lzma
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TextIO

from tgl.core.errors import TglError
from tgl.core.json_text import parse_json
from tgl.core.tables.write import TableWriter

# Limit of the unpacked characters of one line, because a few bytes of .xz can expand to gigabytes.
_MOST_CHARACTERS = 1 << 26


def part_of(page_id: int, holdout_share: float) -> str:
    """Return 'train' or 'held_out'; the result depends only on the page id, so it is the same at every date."""
    digest = hashlib.sha1(f"holdout:{page_id}".encode()).digest()
    drawn = int.from_bytes(digest[:8], "big") / 2**64
    return "held_out" if drawn < holdout_share else "train"


def page_documents(
    pages: Iterable[Mapping], holdout_share: float, without: Callable[[str], str] = str
) -> Iterator[tuple[str, str]]:
    """Yield (part, text) for each row of the table `pages` with text.

    Args:
        pages: Rows with page_id and text.
        holdout_share: The share of held-out pages.
        without: Removes from a text what must not be trained on. Held-out pages stay unchanged.
    """
    for row in pages:
        part = part_of(row["page_id"], holdout_share)
        if text := without(row["text"]) if part == "train" else row["text"]:
            yield part, text


def diff_documents(
    diff: Iterable[Mapping], holdout_share: float, without: Callable[[str], str] = str
) -> Iterator[tuple[str, str]]:
    """Yield (part, text) for each page in rows of the table `diff`.

    The new and changed sentences of a page are joined to one document. The rows of a page must be contiguous.

    Args:
        diff: Rows with page_id and text.
        holdout_share: The share of held-out pages.
        without: Removes from a text what must not be trained on. Held-out pages stay unchanged.
    """
    for page_id, rows in groupby(diff, itemgetter("page_id")):
        part = part_of(page_id, holdout_share)
        texts = (without(row["text"]) if part == "train" else row["text"] for row in rows)
        if sentences := [text for text in texts if text]:
            yield part, " ".join(sentences)


def read_documents(source: str | Path) -> Iterator[dict]:
    """Yield the documents of JSON lines {id, title, text}, plain or .xz.

    Raises:
        TglError: A line is not such an object. The message names the file and the line.
    """
    with _open_text(Path(source)) as lines:
        for number, line in enumerate(_lines(source, lines), 1):
            yield _json_line(source, number, line)


def page_row(page_id: int, title: str, text: str) -> dict:
    """Return a row of the table `pages` for a document without revisions, links and sections."""
    return {
        "page_id": page_id,
        "title": title,
        "revision_id": 0,
        "timestamp": "",
        "sha1": "",
        "text": text,
        "links": [],
        "sections": [],
        "given_up": "",
    }


def json_lines_to_pages(source: str | Path, output: str | Path, max_characters: int | None) -> None:
    """Write the table `pages` from JSON lines {id, title, text}, plain or .xz.

    Args:
        source: The file.
        output: The table to write.
        max_characters: Reading stops after this many characters of text. None means no limit.

    Raises:
        TglError: A line is not such an object. The message names the file and the line.
    """
    counts = {"lines_read": 0, "kept": 0, "empty_text": 0, "characters": 0}
    with TableWriter(output, "pages") as table:
        for row in read_documents(source):
            if max_characters is not None and counts["characters"] >= max_characters:
                break
            counts["lines_read"] += 1
            if not row["text"].strip():
                counts["empty_text"] += 1
                continue
            counts["kept"] += 1
            counts["characters"] += len(row["text"])
            table.add(page_row(int(row["id"]), row["title"], row["text"]))
        table.finish(counts)


def _lines(source: str | Path, lines: TextIO) -> Iterator[str]:
    number = 0
    try:
        while line := lines.readline(_MOST_CHARACTERS + 1):
            number += 1
            if len(line) > _MOST_CHARACTERS:
                raise TglError(
                    f"{source}, line {number}: more than {_MOST_CHARACTERS} characters. Split the document"
                )
            yield line
    except (EOFError, lzma.LZMAError, UnicodeDecodeError) as error:
        raise TglError(f"{source}: cannot be read ({error}). The file is damaged, replace it") from None


def _open_text(path: Path):
    if not path.is_file():
        raise TglError(
            f"{path}: no such file. Set text.json_lines to a file with lines of {{id, title, text}}"
        )
    return lzma.open(path, "rt", encoding="utf-8") if path.suffix == ".xz" else open(path, encoding="utf-8")


def _json_line(source: str | Path, number: int, line: str) -> dict:
    try:
        row = parse_json(line)
        if isinstance(row["text"], str) and isinstance(row["title"], str) and 0 <= int(row["id"]) < 2**63:
            return row
        found = "a wrong type"
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        found = repr(error)
    raise TglError(
        f"{source}, line {number}: found {found}, expected a JSON object with id (number), title and text"
    )
