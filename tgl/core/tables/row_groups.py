"""Read selected rows of a Parquet artifact, one row group at a time."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tgl.core.schemas import SCHEMAS
from tgl.core.tables.read import DAMAGED, READING, check_table, damaged


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
        self._file = pq.ParquetFile(self.path, **READING)
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
            except DAMAGED as error:
                raise damaged(self.path, error) from None
            self._number = number
        return self._rows
