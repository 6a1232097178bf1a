"""Read documents from files of records: JSON lines, a JSON list, CSV or Parquet."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tgl.core.errors import TglError, nearest
from tgl.core.files import check_file
from tgl.core.json_text import parse_json
from tgl.core.open_text import COMPRESSED, open_text
from tgl.snapshots.documents.document import Document

# Limit of the characters of one record, because a few bytes of .xz can expand to gigabytes.
MOST_CHARACTERS = 1 << 26
_ROWS = 256  # of a Parquet file in memory at a time
WHAT = "a file of documents"


@dataclass(frozen=True)
class Fields:
    """The names of the keys or columns of a document.

    Attributes:
        identity: The id: text or a whole number.
        title: The title. Documents that lack it have their id as title.
        text: The text.
    """

    identity: str = "id"
    title: str = "title"
    text: str = "text"


def kind_of(path: str | Path) -> str | None:
    """Return the ending of a file without its compression, such as .csv; None if `read_file` cannot read it."""
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    if len(suffixes) > 1 and suffixes[-1] in COMPRESSED:
        suffixes.pop()
    return suffixes[-1] if suffixes and suffixes[-1] in _READERS else None


def read_file(path: str | Path, fields: Fields = Fields()) -> Iterator[Document]:
    """Yield the documents of a file. Memory holds a few of them, except for a JSON list.

    Args:
        path: A file of JSON lines, a JSON list, CSV or TSV with a header, or Parquet. All but Parquet may be packed.
        fields: The names of the keys or columns.

    Raises:
        TglError: The file is missing, damaged or of another kind, or a record is wrong. The message names the record.
    """
    check_file(path, WHAT)
    kind = kind_of(path)
    if kind is None:
        raise TglError(
            f"{path}: unknown kind of file, expected {', '.join(_READERS)}, plain or compressed "
            f"({', '.join(COMPRESSED)})"
        )
    for where, record in _READERS[kind](Path(path)):
        yield document_of(record, fields, f"{path}, {where}")


def document_of(record: object, fields: Fields, where: str) -> Document:
    """Return the document of a record.

    Args:
        record: A mapping with an id, a text and perhaps a title.
        fields: The names of its keys.
        where: The place of the record, for messages.

    Raises:
        TglError: A key is missing, or its value is of another type.
    """
    if not isinstance(record, Mapping):
        raise TglError(f"{where}: found {type(record).__name__}, expected an object with {fields.text}")
    for key in (fields.identity, fields.text):
        if key not in record:
            raise TglError(
                f"{where}: no key '{key}'{nearest(key, record)}; found {', '.join(map(str, record))}. Name the keys in "
                "snapshots.documents: id_field, title_field, text_field"
            )
    identity, title, text = record[fields.identity], record.get(fields.title), record[fields.text]
    if type(identity) is int:
        identity = str(identity)
    if not isinstance(identity, str) or not identity:
        raise TglError(f"{where}: found the id {identity!r:.80}, expected text or a whole number")
    if not isinstance(text, str | None):
        raise TglError(f"{where}: found a text of type {type(text).__name__}, expected a string")
    if not isinstance(title, str | None):
        raise TglError(f"{where}: found a title of type {type(title).__name__}, expected a string")
    return Document(identity, title or identity, text or "")


_Numbered = Iterator[tuple[str, object]]


def _json_lines(path: Path) -> _Numbered:
    number = 0
    with open_text(path, WHAT) as lines:
        while line := lines.readline(MOST_CHARACTERS + 1):
            number += 1
            if len(line) > MOST_CHARACTERS:
                raise TglError(
                    f"{path}, line {number}: more than {MOST_CHARACTERS} characters. Split the document"
                )
            if number == 1 and line.lstrip().startswith("["):
                yield from _json_list(path, line + lines.read(MOST_CHARACTERS * 8))
                return
            if line.strip():
                try:
                    yield f"line {number}", parse_json(line)
                except ValueError as error:
                    raise TglError(f"{path}, line {number}: not JSON ({error})") from None


def _json_list(path: Path, text: str) -> _Numbered:
    if len(text) > MOST_CHARACTERS * 8:
        raise TglError(f"{path}: a JSON list of more than {MOST_CHARACTERS * 8} characters. Use JSON lines")
    try:
        records = parse_json(text)
    except ValueError as error:
        raise TglError(f"{path}: not JSON ({error})") from None
    yield from ((f"record {number}", record) for number, record in enumerate(_listed(records), 1))


def _listed(records: object) -> Iterable[object]:
    return records if isinstance(records, list) else [records]


def _table(path: Path) -> _Numbered:
    delimiter = "\t" if ".tsv" in path.name.lower() else ","
    before = csv.field_size_limit(MOST_CHARACTERS)  # of the whole process, so it is put back
    try:
        yield from _table_rows(path, delimiter)
    finally:
        csv.field_size_limit(before)


def _table_rows(path: Path, delimiter: str) -> _Numbered:
    with open_text(path, WHAT, newline="") as stream:
        reader = csv.DictReader(stream, delimiter=delimiter, strict=True)
        try:
            header = list(reader.fieldnames or ())
            if len(set(header)) < len(header):
                raise TglError(f"{path}: found the columns {header}, expected each name once")
            for number, record in enumerate(reader, 1):
                where = f"record {number} (line {reader.line_num})"
                if None in record or None in record.values():
                    cells = sum(value is not None for key, value in record.items() if key is not None)
                    cells += len(record.get(None, ()))
                    raise TglError(f"{path}, {where}: found {cells} cells, expected {len(header)}")
                yield where, record
        except csv.Error as error:
            raise TglError(f"{path}, line {reader.line_num}: not a table ({error})") from None


def _parquet(path: Path) -> _Numbered:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        number = 0
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(_ROWS):
                for record in batch.to_pylist():
                    number += 1
                    yield f"row {number}", record
    except (pa.ArrowInvalid, OSError) as error:
        raise TglError(f"{path}: not a readable Parquet file ({error}). Replace it") from None


_READERS = {
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".json": _json_lines,
    ".csv": _table,
    ".tsv": _table,
    ".parquet": _parquet,
}
