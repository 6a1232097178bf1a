"""Write Parquet artifacts atomically.

The file's metadata holds the name of the table. It also holds the counts of the stage, if there are any, and for
pages and profiles a description of their inputs. It never holds a time or a host name, so the same inputs give the
same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from tgl.core.errors import TglError
from tgl.core.files import atomic_path
from tgl.core.schemas import SCHEMAS

if TYPE_CHECKING:
    import pandas as pd

_GROUP_CHARACTERS = 1 << 24  # Most characters of text that a TableWriter collects for a row group.
# Arrow raises these for values that do not fit, such as a number of more than 64 bits or half of a surrogate pair.
_UNFIT = (pa.ArrowException, OverflowError, UnicodeError)


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
