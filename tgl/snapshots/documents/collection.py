"""Open the collection of one date: a file, a folder, a Hugging Face dataset or a commit of a git repository."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from tgl.core.errors import TglError
from tgl.snapshots.documents.dataset import is_saved_dataset, named_rows, saved_rows
from tgl.snapshots.documents.document import Document
from tgl.snapshots.documents.plain_text import ENDINGS, document_of_file
from tgl.snapshots.documents.records import Fields, document_of, kind_of, read_file
from tgl.snapshots.documents.repository import commit_of, files_of
from tgl.snapshots.settings import DocumentsConfig


@dataclass
class Collection:
    """The documents of one date.

    Attributes:
        documents: Yields the documents, in any order. It can be read once.
        files: The files that it reads, if it reads files.
        about: Where it is from, for the metadata of tables.
        counts: The files that were left out, counted while `documents` is read.
    """

    documents: Iterator[Document]
    files: Sequence[Path] = ()
    about: dict[str, str] = field(default_factory=dict)
    counts: Counter = field(default_factory=Counter)


def open_collection(settings: DocumentsConfig, date: str, place: str | None) -> Collection:
    """Open the collection of a date.

    Args:
        settings: The section `snapshots.documents`.
        date: The date, YYYYMMDD.
        place: The value of the date in `collections`: a file or folder, with `dataset` a configuration of it, with
            `repository` a revision of it. None stands for the newest commit up to the date.

    Raises:
        TglError: There is no such collection, or it holds no file that can be read.
    """
    if settings.repository is not None:
        return _commit(settings, date, place)
    fields = fields_of(settings)
    if settings.dataset is not None:
        rows, about = named_rows(settings.dataset, place or "")
        return Collection(_of_rows(rows, fields, settings.dataset), about=about)
    if place is None:
        raise TglError(
            f"snapshots.documents.collections: no collection for {date}, expected a file or folder. Add '{date}': PATH"
        )
    path = Path(place)
    if not path.is_dir():
        return Collection(read_file(path, fields), [path])
    if is_saved_dataset(path):
        return Collection(_of_rows(saved_rows(path), fields, place), sorted(path.glob("*.arrow")))
    return _folder(path, settings, fields)


def fields_of(settings: DocumentsConfig) -> Fields:
    """Return the names of the keys or columns of a document."""
    return Fields(settings.id_field, settings.title_field, settings.text_field)


def folder_files(folder: Path, pattern: str) -> tuple[list[Path], int]:
    """Return the sorted files of a folder that can be read, and the number of the others.

    A folder holds either files of text, each a document, or files of records. Files and folders whose names begin with
    a dot are left out without being counted.

    Raises:
        TglError: There is no such file, or there are files of both kinds.
    """
    every = sorted(path for path in folder.rglob("*") if path.is_file() and not _hidden(path, folder))
    matching = [path for path in every if fnmatch(path.relative_to(folder).as_posix(), pattern)]
    texts = [path for path in matching if path.suffix.lower() in ENDINGS]
    records = [path for path in matching if kind_of(path)]
    if texts and records:
        raise TglError(
            f"{folder}: found files of text ({texts[0].name}, ...) and files of records ({records[0].name}, ...), "
            "expected one kind. Choose with snapshots.documents.pattern, such as '*.md'"
        )
    if not texts and not records:
        raise TglError(
            f"{folder}: found {len(every)} files, {len(matching)} of them matching '{pattern}', expected files ending "
            f"in {', '.join(ENDINGS)}, or files of records (.jsonl, .csv, .parquet)"
        )
    return texts or records, len(every) - len(texts or records)


def _hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def _folder(folder: Path, settings: DocumentsConfig, fields: Fields) -> Collection:
    files, others = folder_files(folder, settings.pattern)
    counts = Counter(other_files=others)
    if files[0].suffix.lower() not in ENDINGS:
        return Collection((one for path in files for one in read_file(path, fields)), files, counts=counts)
    documents = (
        document_of_file(path.relative_to(folder).as_posix(), path.read_bytes(), str(path)) for path in files
    )
    return Collection(documents, files, counts=counts)


def _commit(settings: DocumentsConfig, date: str, revision: str | None) -> Collection:
    commit = commit_of(settings.repository, date, revision)
    counts = Counter(other_files=0)

    def documents() -> Iterator[Document]:
        for name, content in files_of(settings.repository, commit):
            if Path(name).suffix.lower() in ENDINGS and fnmatch(name, settings.pattern):
                yield document_of_file(name, content, f"{settings.repository}, {commit[:12]}, {name}")
            else:
                counts["other_files"] += 1

    about = {"source": "git", "repository": settings.repository, "commit": commit, "revision": revision or ""}
    return Collection(documents(), about=about, counts=counts)


def _of_rows(rows: Iterator[dict], fields: Fields, place: str) -> Iterator[Document]:
    for number, row in enumerate(rows, 1):
        yield document_of(row, fields, f"{place}, row {number}")
