"""Stage `documents`: write the collection of one date as the tables `files` and `pages`."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from tgl.core.errors import TglError
from tgl.core.progress import track
from tgl.core.tables.read import read_table
from tgl.core.tables.write import TableWriter, write_table
from tgl.snapshots.catalogue import write_files
from tgl.snapshots.documents.collection import open_collection
from tgl.snapshots.documents.document import Document, page_row
from tgl.snapshots.settings import DocumentsConfig


def write_documents(
    settings: DocumentsConfig, date: str, *, place: str | None, pages: Path, files: Path
) -> dict[str, int]:
    """Write the tables `files` and `pages` of one date.

    Args:
        settings: The section `snapshots.documents`.
        date: The date, YYYYMMDD.
        place: The value of the date in `collections` (`open_collection`).
        pages: The table `pages` to write.
        files: The table `files` to write. It is empty for datasets of the hub and git repositories; its metadata say
            where the documents are from.

    Returns:
        The counts of `pages`. `documents_read` is the sum of `kept` and `empty_text`.

    Raises:
        TglError: The collection cannot be read, holds no text, or an id occurs twice.
    """
    collection = open_collection(settings, date, place)
    counts = write_pages(
        collection.documents,
        pages,
        where=f"the documents of {date}{f' ({place})' if place else ''}",
        about=collection.about,
        again=lambda: open_collection(settings, date, place).documents,
        more_counts=lambda: collection.counts,
    )
    about = collection.about or {"source": "documents"}
    if collection.files:
        write_files(collection.files, files, about)
    else:
        write_table([], files, "files", counts={"files": 0}, about=about)
    return counts


def write_pages(
    documents: Iterable[Document],
    output: str | Path,
    *,
    where: str,
    again: Callable[[], Iterable[Document]],
    most_characters: int | None = None,
    about: dict | None = None,
    more_counts: Callable[[], dict] = dict,
) -> dict[str, int]:
    """Write the table `pages` of documents, in ascending order of their numbers, and return its counts.

    Memory does not grow with the collection if the numbers ascend. Else the table is sorted in memory.

    Args:
        documents: The documents, in any order.
        output: The table to write.
        where: Where the documents are from, for messages.
        again: Returns the same documents again, to name those with the same id.
        most_characters: Reading stops after this many characters of text. None: no limit.
        about: Metadata of the table.
        more_counts: Counts that are complete after the documents were read.

    Raises:
        TglError: No document has text, or two have the same id.
    """
    counts = {"documents_read": 0, "kept": 0, "empty_text": 0, "characters": 0}
    written = array("q")  # 8 bytes a document, where a set would take a hundred
    with TableWriter(output, "pages") as table:
        for document in track(documents, f"reading {where}", "documents"):
            if most_characters is not None and counts["characters"] >= most_characters:
                break
            counts["documents_read"] += 1
            if not document.text.strip():
                counts["empty_text"] += 1
                continue
            counts["kept"] += 1
            counts["characters"] += len(document.text)
            written.append(document.page_id)
            table.add(page_row(document))
        ids = np.frombuffer(written, dtype=np.int64)
        numbers, times = np.unique(ids, return_counts=True)
        if (twice := numbers[times > 1]).size:
            raise TglError(f"{where}: " + _said_twice(again(), int(twice[0]), twice.size))
        if not counts["kept"]:
            raise TglError(
                f"{where}: found {counts['documents_read']} documents, none with text; expected at least one"
            )
        counts |= more_counts()
        table.finish(counts, about)
    if (ids[1:] < ids[:-1]).any():
        write_table(
            read_table(output, "pages").sort_by("page_id"), output, "pages", counts=counts, about=about
        )
    return counts


def _said_twice(documents: Iterable[Document], number: int, how_many: int) -> str:
    names = [
        document.identity for document in documents if document.page_id == number and document.text.strip()
    ]
    if len(set(names)) > 1:
        return f"the ids '{names[0]}' and '{names[1]}' have the same hash. Rename one of them"
    return (
        f"{how_many} ids occur more than once, the first is '{names[0]}'; expected one document for each id. "
        "Remove the others"
    )
