"""Read Parquet artifacts with checks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from tgl.core.errors import TglError
from tgl.core.faults import reason
from tgl.core.files import check_file, how_to_mend
from tgl.core.json_text import parse_json
from tgl.core.schemas import SCHEMAS

_Rows = TypeVar("_Rows", pa.Table, pa.RecordBatch)
# Without a buffer, Arrow reads whole columns of a row group ahead. With `pre_buffer` it reads those of the whole file.
READING = {"page_checksum_verification": True, "pre_buffer": False, "buffer_size": 1 << 20}
# Arrow raises these when it reads a damaged file.
DAMAGED = (pa.ArrowException, OSError, ValueError, OverflowError)


def check_table(path: str | Path, name: str) -> int:
    """Check the columns and types of a Parquet table, and return its number of rows.

    The function reads only the end of the file, which describes the columns.

    Raises:
        TglError: The file is missing, its end is damaged, or it is not the table `name`.
    """
    metadata, schema = _footer(path, f"the table '{name}'"), SCHEMAS[name]
    try:
        stored = metadata.schema.to_arrow_schema()
    except DAMAGED as error:
        raise damaged(path, error) from None
    if missing := [column for column in schema.names if column not in stored.names]:
        raise TglError(f"{path}: not a '{name}' table, columns missing: {missing}. Found {stored.names}")
    selected = pa.schema([stored.field(column) for column in schema.names])
    try:
        if not selected.equals(schema):  # a cast imports pandas, which takes longer than the check
            selected.empty_table().cast(schema)
    except DAMAGED as error:
        raise TglError(f"{path}: not a '{name}' table: {error}") from None
    return metadata.num_rows


def _footer(path: str | Path, what: str) -> pq.FileMetaData:
    check_file(path, what)
    try:
        return pq.read_metadata(Path(path))
    except DAMAGED as error:
        raise damaged(path, error) from None


def read_table(path: str | Path, name: str, columns: list[str] | None = None) -> pa.Table:
    """Read a Parquet table, all columns or some.

    Args:
        path: The file.
        name: A key of `SCHEMAS`.
        columns: The columns to read. None: all.

    Raises:
        TglError: The file is missing or damaged (its pages have checksums), it is not the table `name`, or two probes
            have the same id.
    """
    columns = columns or SCHEMAS[name].names
    with _opened(path, name) as file:
        table = file.read(columns=columns)
        if (
            table.num_rows != file.metadata.num_rows
        ):  # The end of the file holds both numbers and has no checksum.
            raise ValueError(f"found {table.num_rows} rows, expected {file.metadata.num_rows}")
        table = _of_schema(table, path, name, columns=columns)
    if name == "probes" and "id" in columns:
        check_unique(table["id"].to_pylist(), str(path))
    return table


def check_unique(ids: Iterable[str], where: str) -> None:
    """Check that all probe ids differ, because pairs, controls and scores are found by id.

    Raises:
        TglError: An id occurs twice. The message begins with `where` and names the first such id.
    """
    seen: dict[str, int] = {}
    for number, identity in enumerate(ids, 1):
        if seen.setdefault(identity, number) != number:
            raise TglError(
                f"{where}: the id '{identity}' occurs twice, in records {seen[identity]} and {number}; expected a "
                "different id for each probe. Rename one of them"
            )


def iter_batches(
    path: str | Path, name: str, columns: list[str], *, batch_rows: int = 500
) -> Iterator[pa.RecordBatch]:
    """Yield a Parquet table in batches of at most `batch_rows` rows. Memory holds only one batch.

    Raises:
        TglError: As `read_table`; for a damaged page, when the iteration reaches it.
    """
    with _opened(path, name) as file:
        left = file.metadata.num_rows
        for batch in file.iter_batches(batch_size=batch_rows, columns=columns):
            left -= batch.num_rows
            yield _of_schema(batch, path, name, columns=columns)
        if left:
            raise ValueError(f"{left} rows missing")


def iter_rows(path: str | Path, name: str, columns: list[str]) -> Iterator[dict]:
    """Yield the rows of a Parquet table. Memory use and errors are those of `iter_batches`."""
    for batch in iter_batches(path, name, columns):
        yield from batch.to_pylist()


@contextlib.contextmanager
def _opened(path: str | Path, name: str) -> Iterator[pq.ParquetFile]:
    """Open a Parquet table. Arrow's errors for a damaged file become TglError in the block."""
    check_table(path, name)
    try:
        with pq.ParquetFile(Path(path), **READING) as file:
            yield file
    except DAMAGED as error:
        raise damaged(path, error) from None


def _of_schema(rows: _Rows, path: str | Path, name: str, *, columns: list[str]) -> _Rows:
    """Return rows with the types of the table's schema."""
    rows.validate(full=True)
    expected = pa.schema([SCHEMAS[name].field(column) for column in columns])
    if rows.schema.equals(expected):
        return rows
    try:
        return rows.cast(expected)
    except DAMAGED as error:
        raise TglError(f"{path}: not a '{name}' table: {error}") from None


def damaged(path: str | Path, error: Exception) -> Exception:
    """Return the exception to raise for a read error: lack of memory, the operating system, or a damaged file."""
    if isinstance(error, MemoryError):
        return error
    if isinstance(error, OSError) and error.errno:
        return TglError(f"{path}: {reason(error)}")
    return TglError(f"{path}: not a readable Parquet file ({error}). {how_to_mend(path)}")


def read_counts(path: str | Path) -> dict[str, int]:
    """Return the counts in the metadata of a table; empty if there are none.

    Raises:
        TglError: The metadata is damaged.
    """
    found = _metadata(path, b"tgl.counts")
    if wrong := [name for name, value in found.items() if type(value) is not int]:
        raise damaged(path, ValueError(f"its count '{wrong[0]}' is not an integer"))
    return found


def read_about(path: str | Path) -> dict:
    """Return the description of the inputs in the metadata of a table; empty if there is none.

    Raises:
        TglError: The metadata is damaged.
    """
    return _metadata(path, b"tgl.about")


def _metadata(path: str | Path, key: bytes) -> dict:
    try:
        found = parse_json((_footer(path, "a table").metadata or {}).get(key, b"{}").decode())
        if isinstance(found, dict):
            return found
        raise ValueError(f"{key.decode()} is {type(found).__name__}, expected an object")
    except DAMAGED as error:
        raise damaged(path, error) from None


def read_tables(paths: Iterable[str | Path], name: str, columns: list[str] | None = None) -> pa.Table:
    """Read several files of one table and concatenate them in the given order."""
    return pa.concat_tables([read_table(path, name, columns) for path in paths])
