"""Write Parquet artifacts atomically and read them with checks.

The file's metadata holds the name of the table. It also holds the counts of the stage, if there are any, and for
pages and profiles a description of their inputs. It never holds a time or a host name, so the same inputs give the
same bytes.
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

from tgl.core.errors import TglError
from tgl.core.faults import reason
from tgl.core.files import atomic_path, check_file, how_to_mend
from tgl.core.json_text import parse_json
from tgl.core.schemas import SCHEMAS

if TYPE_CHECKING:
    import pandas as pd

_Rows = TypeVar("_Rows", pa.Table, pa.RecordBatch)
# Without a buffer, Arrow reads whole columns of a row group ahead. With `pre_buffer` it reads those of the whole file.
_READING = {"page_checksum_verification": True, "pre_buffer": False, "buffer_size": 1 << 20}
_GROUP_CHARACTERS = 1 << 24  # Most characters of text that a TableWriter collects for a row group.
# Arrow raises these for values that do not fit, such as a number of more than 64 bits or half of a surrogate pair.
_UNFIT = (pa.ArrowException, OverflowError, UnicodeError)
# Arrow raises these when it reads a damaged file.
_DAMAGED = (pa.ArrowException, OSError, ValueError, OverflowError)


def to_arrow(rows: pd.DataFrame | Iterable[Mapping], name: str) -> pa.Table:
    """Convert rows to an Arrow table with the column order and types of its schema.

    Args:
        rows: A data frame, or one mapping per row.
        name: A key of `SCHEMAS`.

    Raises:
        TglError: A column is missing, is not in the schema, or does not fit its type.
    """
    import pandas as pd  # The import is slow, and stages that hold Arrow tables do not need it.

    schema = SCHEMAS[name]
    if isinstance(rows, pd.DataFrame):
        found = set(rows.columns)
        if found != set(schema.names):
            raise TglError(f"table '{name}': found columns {sorted(found)}, expected {sorted(schema.names)}")
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
                f"table '{name}', row {number}: found columns {sorted(row)}, expected {sorted(schema.names)}"
            )
    try:
        return pa.Table.from_pylist(rows, schema=schema)
    except _UNFIT as error:
        raise TglError(f"table '{name}': {error}") from error


def write_table(
    rows: pa.Table | pd.DataFrame | Iterable[Mapping],
    path: str | Path,
    name: str,
    *,
    counts: Mapping[str, int] | None = None,
    about: Mapping | None = None,
) -> None:
    """Write rows as a Parquet table, atomically.

    Args:
        rows: An Arrow table, or rows for `to_arrow`.
        path: The file to write.
        name: A key of `SCHEMAS`.
        counts: Counts of the stage, for the file's metadata.
        about: A description of the inputs, for the file's metadata.
    """
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
    """Write a table in row groups, for stages that must not hold all of it in memory.

    Args:
        path: The file to write.
        name: A key of `SCHEMAS`.
        group_rows: Rows of a row group. A group has fewer rows if their texts are long.
    """

    def __init__(self, path: str | Path, name: str, group_rows: int = 2000) -> None:
        self.path, self.name, self.group_rows = Path(path), name, group_rows
        self.rows: list[Mapping] = []
        self._characters = 0  # Characters in the texts of `rows`.

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
        """Append one row. It is written to the file when the row group is full."""
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
        """Record the stage's counts and a description of its inputs. Call it once, after the last row."""
        self._writer.add_key_value_metadata(_stored(counts, about))

    def __exit__(self, kind, value, trace) -> None:
        if kind is None and self.rows:
            self._flush()
        self._writer.close()
        self._whole.__exit__(kind, value, trace)


def check_table(path: str | Path, name: str) -> int:
    """Check the columns and types of a Parquet table, and return its number of rows.

    The function reads only the end of the file, which describes the columns.

    Raises:
        TglError: The file is missing, its end is damaged, or it is not the table `name`.
    """
    metadata, schema = _footer(path, f"the table '{name}'"), SCHEMAS[name]
    try:
        stored = metadata.schema.to_arrow_schema()
    except _DAMAGED as error:
        raise _damaged(path, error) from None
    if missing := [column for column in schema.names if column not in stored.names]:
        raise TglError(f"{path}: not a '{name}' table, columns missing: {missing}. Found {stored.names}")
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
        with pq.ParquetFile(Path(path), **_READING) as file:
            yield file
    except _DAMAGED as error:
        raise _damaged(path, error) from None


def _of_schema(rows: _Rows, path: str | Path, name: str, *, columns: list[str]) -> _Rows:
    """Return rows with the types of the table's schema."""
    rows.validate(full=True)
    expected = pa.schema([SCHEMAS[name].field(column) for column in columns])
    if rows.schema.equals(expected):
        return rows
    try:
        return rows.cast(expected)
    except _DAMAGED as error:
        raise TglError(f"{path}: not a '{name}' table: {error}") from None


class RowGroups:
    """Read selected rows of a Parquet table. Memory holds one row group, so reading rows in order is cheap.

    Args:
        path: The file.
        name: A key of `SCHEMAS`.
        columns: The columns to read.
    """

    def __init__(self, path: str | Path, name: str, columns: list[str]) -> None:
        self.path, self.schema = Path(path), pa.schema([SCHEMAS[name].field(column) for column in columns])
        check_table(path, name)
        self._file = pq.ParquetFile(self.path, **_READING)
        sizes = [self._file.metadata.row_group(n).num_rows for n in range(self._file.metadata.num_row_groups)]
        self._starts = [0, *accumulate(sizes)]
        self._number, self._rows = -1, self.schema.empty_table()

    def take(self, numbers: Sequence[int]) -> pa.Table:
        """Return the rows with these numbers.

        Args:
            numbers: Row numbers in ascending order.

        Raises:
            TglError: The file is damaged.
        """
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
        raise _damaged(path, ValueError(f"its count '{wrong[0]}' is not an integer"))
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
    except _DAMAGED as error:
        raise _damaged(path, error) from None


def read_tables(paths: Iterable[str | Path], name: str, columns: list[str] | None = None) -> pa.Table:
    """Read several files of one table and concatenate them in the given order."""
    return pa.concat_tables([read_table(path, name, columns) for path in paths])
