"""Every Parquet artifact: atomic writing, checked reading, and the counts it carries.

A table's file metadata holds its name and, where the stage counts something, those counts, and, for pages and
profiles, what they were made from. It never holds a time or a host name: the same inputs give the same bytes.
"""

from __future__ import annotations

import contextlib
import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from tgl.errors import TglError
from tgl.faults import reason
from tgl.files import atomic_path, check_file, how_to_mend
from tgl.json_text import parse_json
from tgl.schemas import SCHEMAS

if TYPE_CHECKING:
    import pandas as pd

_Rows = TypeVar("_Rows", pa.Table, pa.RecordBatch)
# Without a buffer whole columns of a row group would be read ahead, with `pre_buffer` those of the whole file.
_READING = {"page_checksum_verification": True, "pre_buffer": False, "buffer_size": 1 << 20}
_GROUP_CHARACTERS = 1 << 24  # of texts that a TableWriter collects
# What Arrow raises for values that do not fit: for a number of more than 64 bits and half of a surrogate pair too.
_UNFIT = (pa.ArrowException, OverflowError, UnicodeError)
# What it raises on reading a damaged file.
_DAMAGED = (pa.ArrowException, OSError, ValueError, OverflowError)


def to_arrow(rows: pd.DataFrame | Iterable[Mapping], name: str) -> pa.Table:
    """Turn rows into the Arrow table `name`; columns are ordered and cast as its schema says.

    Raises TglError when a column is missing, is too many, or does not fit its type.
    """
    import pandas as pd  # it takes long, and stages that hold Arrow tables need none of it

    schema = SCHEMAS[name]
    if isinstance(rows, pd.DataFrame):
        found = set(rows.columns)
        if found != set(schema.names):
            raise TglError(f"table '{name}': columns {sorted(found)} found, {sorted(schema.names)} expected")
        try:
            return pa.Table.from_pandas(
                rows[schema.names], schema=schema, preserve_index=False
            ).replace_schema_metadata(None)
        except _UNFIT as error:
            raise TglError(f"table '{name}': {error}") from error
    rows = list(rows)
    for number, row in enumerate(rows):
        if set(row) != set(schema.names):
            raise TglError(
                f"table '{name}', row {number}: columns {sorted(row)} found, {sorted(schema.names)} expected"
            )
    try:
        return pa.Table.from_pylist(rows, schema=schema)
    except _UNFIT as error:
        raise TglError(f"table '{name}': {error}") from error


def write_table(
    rows: pa.Table | pd.DataFrame | Iterable[Mapping],
    path: str | Path,
    name: str,
    counts: Mapping[str, int] | None = None,
    about: Mapping | None = None,
) -> None:
    """Write `rows` as the Parquet table `name`, atomically, with `counts` and `about` in the file's metadata."""
    table = rows if isinstance(rows, pa.Table) else to_arrow(rows, name)
    metadata = {"tgl.table": name} | _stored(counts, about)
    with atomic_path(path) as part:
        pq.write_table(
            table.replace_schema_metadata(metadata), part, compression="zstd", write_page_checksum=True
        )


def _stored(counts: Mapping[str, int] | None, about: Mapping | None) -> dict[str, str]:
    given = {"tgl.counts": counts, "tgl.about": about}
    return {key: json.dumps(dict(value)) for key, value in given.items() if value is not None}


class TableWriter:
    """Writes table `name` in row groups, for stages that must not hold all of it in memory.

    A row group has `group_rows` rows, or fewer where their texts are long.
    """

    def __init__(self, path: str | Path, name: str, group_rows: int = 2000) -> None:
        self.path, self.name, self.group_rows = Path(path), name, group_rows
        self.rows: list[Mapping] = []
        self._characters = 0  # of their texts

    def __enter__(self) -> TableWriter:
        self._whole = atomic_path(self.path)
        self._writer = pq.ParquetWriter(
            self._whole.__enter__(),
            SCHEMAS[self.name].with_metadata({"tgl.table": self.name}),
            compression="zstd",
            write_page_checksum=True,
        )
        return self

    def add(self, row: Mapping) -> None:
        """Append one row; it reaches the file when the row group is full."""
        self.rows.append(row)
        self._characters += sum(len(value) for value in row.values() if isinstance(value, str))
        if len(self.rows) >= self.group_rows or self._characters >= _GROUP_CHARACTERS:
            self._flush()

    def add_table(self, table: pa.Table) -> None:
        """Append Arrow rows of the table's schema as a row group."""
        if self.rows:
            self._flush()
        self._writer.write_table(table)

    def _flush(self) -> None:
        self._writer.write_table(to_arrow(self.rows, self.name))
        self.rows, self._characters = [], 0

    def finish(self, counts: Mapping[str, int], about: Mapping | None = None) -> None:
        """Record the stage's counts and what the table was made from; called once, after the last row."""
        self._writer.add_key_value_metadata(_stored(counts, about))

    def __exit__(self, kind, value, trace) -> None:
        if kind is None and self.rows:
            self._flush()
        self._writer.close()
        self._whole.__exit__(kind, value, trace)


def check_table(path: str | Path, name: str) -> int:
    """Return the number of rows of the Parquet table `name`; only its end is read, where columns and types stand.

    Raises TglError when it is missing, damaged at its end, another table, or of other types.
    """
    metadata, schema = _footer(path, f"the table '{name}'"), SCHEMAS[name]
    try:
        stored = metadata.schema.to_arrow_schema()
    except _DAMAGED as error:
        raise _damaged(path, error) from None
    if missing := [column for column in schema.names if column not in stored.names]:
        raise TglError(f"{path}: not a '{name}' table, columns missing: {missing}; found {stored.names}")
    try:
        stored.empty_table().select(schema.names).cast(schema)
    except _DAMAGED as error:
        raise TglError(f"{path}: not a '{name}' table: {error}") from None
    return metadata.num_rows


def _footer(path: str | Path, what: str) -> pq.FileMetaData:
    check_file(path, what)
    try:
        return pq.read_metadata(Path(path))
    except _DAMAGED as error:
        raise _damaged(path, error) from None


def read_table(path: str | Path, name: str, columns: list[str] | None = None) -> pa.Table:
    """Read the Parquet table `name` (all columns, or some).

    Raises TglError when it is missing, damaged (pages carry checksums), another table, or of other types, and where two
    probes have one id.
    """
    columns = columns or SCHEMAS[name].names
    with _opened(path, name) as file:
        table = file.read(columns=columns)
        if table.num_rows != file.metadata.num_rows:  # the file's end, where both stand, has no checksum
            raise ValueError(f"{table.num_rows} rows found, {file.metadata.num_rows} expected")
        table = _of_schema(table, path, name, columns)
    if name == "probes" and "id" in columns:
        check_unique(table["id"].to_pylist(), str(path))
    return table


def check_unique(ids: Iterable[str], where: str) -> None:
    """Raise TglError naming the first probe id that occurs twice: pairs, controls and scores are found by id."""
    seen: dict[str, int] = {}
    for number, identity in enumerate(ids, 1):
        if seen.setdefault(identity, number) != number:
            raise TglError(
                f"{where}: the id '{identity}' occurs twice, in records {seen[identity]} and {number}; expected an id "
                "of its own for each probe. Rename one of them"
            )


def iter_batches(
    path: str | Path, name: str, columns: list[str], batch_rows: int = 500
) -> Iterator[pa.RecordBatch]:
    """Yield the Parquet table `name` as batches of at most `batch_rows` rows, which are all that memory holds.

    Raises TglError as `read_table`, for a damaged page when it is reached.
    """
    with _opened(path, name) as file:
        left = file.metadata.num_rows
        for batch in file.iter_batches(batch_size=batch_rows, columns=columns):
            left -= batch.num_rows
            yield _of_schema(batch, path, name, columns)
        if left:
            raise ValueError(f"{left} rows missing")


def iter_rows(path: str | Path, name: str, columns: list[str]) -> Iterator[dict]:
    """Yield the rows of the Parquet table `name`; memory and errors as with `iter_batches`."""
    for batch in iter_batches(path, name, columns):
        yield from batch.to_pylist()


@contextlib.contextmanager
def _opened(path: str | Path, name: str) -> Iterator[pq.ParquetFile]:
    """Open the Parquet table `name`. What Arrow raises in the block for a damaged file becomes a TglError."""
    check_table(path, name)
    try:
        with pq.ParquetFile(Path(path), **_READING) as file:
            yield file
    except _DAMAGED as error:
        raise _damaged(path, error) from None


def _of_schema(rows: _Rows, path: str | Path, name: str, columns: list[str]) -> _Rows:
    """Return rows that were read, of the types that the table has by its schema."""
    rows.validate(full=True)
    expected = pa.schema([SCHEMAS[name].field(column) for column in columns])
    if rows.schema.equals(expected):
        return rows
    try:
        return rows.cast(expected)
    except _DAMAGED as error:
        raise TglError(f"{path}: not a '{name}' table: {error}") from None


class RowGroups:
    """Some rows of the Parquet table `name`, of which one row group is held in memory: cheap for rows in order."""

    def __init__(self, path: str | Path, name: str, columns: list[str]) -> None:
        self.path, self.schema = Path(path), pa.schema([SCHEMAS[name].field(column) for column in columns])
        check_table(path, name)
        self._file = pq.ParquetFile(self.path, **_READING)
        sizes = [self._file.metadata.row_group(n).num_rows for n in range(self._file.metadata.num_row_groups)]
        self._starts = [0, *accumulate(sizes)]
        self._number, self._rows = -1, self.schema.empty_table()

    def take(self, numbers: Sequence[int]) -> pa.Table:
        """Return the rows of these rising numbers, in order. Raises TglError when they are damaged."""
        parts, begin = [self.schema.empty_table()], 0
        while begin < len(numbers):
            group = bisect_right(self._starts, numbers[begin]) - 1
            end = bisect_left(numbers, self._starts[group + 1], begin)
            own = [number - self._starts[group] for number in numbers[begin:end]]
            parts.append(self._group(group).take(own))
            begin = end
        return pa.concat_tables(parts)

    def _group(self, number: int) -> pa.Table:
        if number != self._number:
            try:
                self._rows = self._file.read_row_group(number, columns=self.schema.names).cast(self.schema)
            except _DAMAGED as error:
                raise _damaged(self.path, error) from None
            self._number = number
        return self._rows


def _damaged(path: str | Path, error: Exception) -> Exception:
    """Return what to raise for an error on reading: the file is at fault, but for memory and the operating system."""
    if isinstance(error, MemoryError):
        return error
    if isinstance(error, OSError) and error.errno:
        return TglError(f"{path}: {reason(error)}")
    return TglError(f"{path}: not a readable Parquet file ({error}). {how_to_mend(path)}")


def read_counts(path: str | Path) -> dict[str, int]:
    """Return the counts stored with a table (empty when it carries none). Raises TglError for other values."""
    found = _metadata(path, b"tgl.counts")
    if wrong := [name for name, value in found.items() if type(value) is not int]:
        raise _damaged(path, ValueError(f"its count '{wrong[0]}' is no whole number"))
    return found


def read_about(path: str | Path) -> dict:
    """Return what a table says of how it came about (empty when it says nothing)."""
    return _metadata(path, b"tgl.about")


def _metadata(path: str | Path, key: bytes) -> dict:
    try:
        found = parse_json((_footer(path, "a table").metadata or {}).get(key, b"{}").decode())
        if isinstance(found, dict):
            return found
        raise ValueError(f"{key.decode()} is {type(found).__name__}, an object expected")
    except _DAMAGED as error:
        raise _damaged(path, error) from None


def read_tables(paths: Iterable[str | Path], name: str, columns: list[str] | None = None) -> pa.Table:
    """Read several files of one table and put them together, in the order given."""
    return pa.concat_tables([read_table(path, name, columns) for path in paths])
