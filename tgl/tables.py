"""Every Parquet artifact: its schema, atomic writing, and the counts it carries.

A table's file metadata holds its name and, where the stage counts something, those counts. It never holds a
time or a host name: the same inputs give the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tgl.errors import TglError
from tgl.files import atomic_path

_LINK = pa.struct([("target", pa.string()), ("start", pa.int32()), ("end", pa.int32())])

SCHEMAS: dict[str, pa.Schema] = {
    # The dump files of one snapshot.
    "files": pa.schema([("path", pa.string()), ("bytes", pa.int64()), ("sha1", pa.string())]),
    # The synthetic world's own truth: one row a (subject, relation, object) and the dates it holds.
    "facts": pa.schema(
        [
            ("subject_id", pa.int64()),
            ("subject", pa.string()),
            ("relation", pa.string()),
            ("object", pa.string()),
            ("first_date", pa.string()),
            ("last_date", pa.string()),
            ("text", pa.string()),
            ("span_start", pa.int32()),
            ("span_end", pa.int32()),
            ("candidates", pa.list_(pa.string())),
        ]
    ),
    # Clean text of each kept page; link offsets are characters of `text`.
    "pages": pa.schema(
        [
            ("page_id", pa.int64()),
            ("title", pa.string()),
            ("revision_id", pa.int64()),
            ("timestamp", pa.string()),
            ("sha1", pa.string()),
            ("text", pa.string()),
            ("links", pa.list_(_LINK)),
        ]
    ),
    # New and changed sentences of a snapshot against the one before; `position` counts sentences of the new page.
    "diff": pa.schema(
        [
            ("page_id", pa.int64()),
            ("title", pa.string()),
            ("revision_id", pa.int64()),
            ("kind", pa.string()),
            ("position", pa.int32()),
            ("text", pa.string()),
        ]
    ),
    # Salient spans: [span_start, span_end) are characters of `text`; rows of one query share `answer_group`.
    "probes": pa.schema(
        [
            ("id", pa.string()),
            ("set", pa.string()),
            ("kind", pa.string()),
            ("period", pa.string()),
            ("relation", pa.string()),
            ("subject", pa.string()),
            ("text", pa.string()),
            ("span_start", pa.int32()),
            ("span_end", pa.int32()),
            ("answer_group", pa.string()),
            ("split", pa.string()),
            ("candidates", pa.list_(pa.string())),
        ]
    ),
    # Packed token blocks: the documents' tokens, each ended by the end-of-text token, cut every block_size.
    "tokens": pa.schema([("part", pa.string()), ("tokens", pa.list_(pa.int32()))]),
    # Per-example gradient norms; row `example` = -1 holds the norm of the mean gradient of the group.
    "norms": pa.schema(
        [
            ("weights", pa.string()),
            ("group", pa.string()),
            ("example", pa.int32()),
            ("num_tokens", pa.int32()),
            ("sublayer", pa.string()),
            ("norm", pa.float64()),
        ]
    ),
    # Relative gradient norms: group over denominator, per sublayer ("all" = mean over sublayers).
    "profile": pa.schema(
        [
            ("weights", pa.string()),
            ("group", pa.string()),
            ("denominator", pa.string()),
            ("sublayer", pa.string()),
            ("block", pa.int32()),
            ("part", pa.string()),
            ("num_parameters", pa.int64()),
            ("num_examples", pa.int32()),
            ("num_denominator_examples", pa.int32()),
            ("mean_norm", pa.float64()),
            ("norm_of_mean", pa.float64()),
            ("relative_norm", pa.float64()),
            ("low", pa.float64()),
            ("high", pa.float64()),
        ]
    ),
    # Span scores: natural-log likelihoods summed over the span's tokens; rank 1 = best of num_candidates.
    "scores": pa.schema(
        [
            ("checkpoint", pa.string()),
            ("probe", pa.string()),
            ("set", pa.string()),
            ("kind", pa.string()),
            ("period", pa.string()),
            ("relation", pa.string()),
            ("split", pa.string()),
            ("num_tokens", pa.int32()),
            ("num_bytes", pa.int32()),
            ("log_likelihood", pa.float64()),
            ("rank", pa.int32()),
            ("num_candidates", pa.int32()),
        ]
    ),
    # Held-out language-model loss: sum of negative log-likelihoods (nats) over num_tokens.
    "lm_loss": pa.schema(
        [
            ("checkpoint", pa.string()),
            ("text", pa.string()),
            ("num_tokens", pa.int64()),
            ("negative_log_likelihood", pa.float64()),
        ]
    ),
    # One row a logged step: mean training loss (nats a token) and gradient norm before clipping.
    "steps": pa.schema(
        [
            ("period", pa.string()),
            ("step", pa.int32()),
            ("loss", pa.float64()),
            ("gradient_norm", pa.float64()),
            ("num_tokens", pa.int64()),
        ]
    ),
    # Learning rate each sublayer really had, at the steps where it was read from the optimiser.
    "rates": pa.schema(
        [
            ("period", pa.string()),
            ("step", pa.int32()),
            ("sublayer", pa.string()),
            ("learning_rate", pa.float64()),
            ("max_change", pa.float64()),
        ]
    ),
}


def to_arrow(rows: pd.DataFrame | Iterable[Mapping], name: str) -> pa.Table:
    """Turn rows into the Arrow table `name`; columns are ordered and cast as its schema says.

    Raises TglError when a column is missing, is too many, or does not fit its type.
    """
    schema = SCHEMAS[name]
    if isinstance(rows, pd.DataFrame):
        found = set(rows.columns)
        if found != set(schema.names):
            raise TglError(f"table '{name}': columns {sorted(found)} found, {sorted(schema.names)} expected")
        try:
            return pa.Table.from_pandas(
                rows[schema.names], schema=schema, preserve_index=False
            ).replace_schema_metadata(None)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise TglError(f"table '{name}': {error}") from error
    rows = list(rows)
    for number, row in enumerate(rows):
        if set(row) != set(schema.names):
            raise TglError(
                f"table '{name}', row {number}: columns {sorted(row)} found, {sorted(schema.names)} expected"
            )
    try:
        return pa.Table.from_pylist(rows, schema=schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise TglError(f"table '{name}': {error}") from error


def write_table(
    rows: pa.Table | pd.DataFrame | Iterable[Mapping],
    path: str | Path,
    name: str,
    counts: Mapping[str, int] | None = None,
) -> None:
    """Write `rows` as the Parquet table `name`, atomically, with `counts` in the file's metadata."""
    table = rows if isinstance(rows, pa.Table) else to_arrow(rows, name)
    metadata = {"tgl.table": name}
    if counts is not None:
        metadata["tgl.counts"] = json.dumps(dict(counts))
    with atomic_path(path) as part:
        pq.write_table(table.replace_schema_metadata(metadata), part, compression="zstd")


class TableWriter:
    """Writes table `name` in row groups, for stages that must not hold all of it in memory."""

    def __init__(self, path: str | Path, name: str, group_rows: int = 2000) -> None:
        self.path, self.name, self.group_rows = Path(path), name, group_rows
        self.rows: list[Mapping] = []

    def __enter__(self) -> TableWriter:
        self._whole = atomic_path(self.path)
        self._writer = pq.ParquetWriter(
            self._whole.__enter__(),
            SCHEMAS[self.name].with_metadata({"tgl.table": self.name}),
            compression="zstd",
        )
        return self

    def add(self, row: Mapping) -> None:
        """Append one row; it reaches the file when the row group is full."""
        self.rows.append(row)
        if len(self.rows) >= self.group_rows:
            self._flush()

    def _flush(self) -> None:
        self._writer.write_table(to_arrow(self.rows, self.name))
        self.rows = []

    def finish(self, counts: Mapping[str, int]) -> None:
        """Record the stage's counts; called once, after the last row."""
        self._writer.add_key_value_metadata({"tgl.counts": json.dumps(dict(counts))})

    def __exit__(self, kind, value, trace) -> None:
        if kind is None and self.rows:
            self._flush()
        self._writer.close()
        self._whole.__exit__(kind, value, trace)


def read_table(path: str | Path, name: str, columns: list[str] | None = None) -> pa.Table:
    """Read the Parquet table `name` (all columns, or some). Raises TglError when it is missing or another."""
    path = Path(path)
    try:
        stored = pq.read_schema(path)
    except FileNotFoundError:
        raise TglError(f"{path}: no such file; expected the table '{name}'") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise TglError(
            f"{path}: not a readable Parquet file ({error}); delete it and run the workflow again"
        ) from None
    missing = [column for column in SCHEMAS[name].names if column not in stored.names]
    if missing:
        raise TglError(f"{path}: not a '{name}' table, columns missing: {missing}; found {stored.names}")
    return pq.read_table(path, columns=columns or SCHEMAS[name].names)


def read_counts(path: str | Path) -> dict[str, int]:
    """Return the counts stored with a table (empty when it carries none)."""
    metadata = pq.read_metadata(path).metadata or {}
    return json.loads(metadata.get(b"tgl.counts", b"{}"))


def read_tables(paths: Iterable[str | Path], name: str, columns: list[str] | None = None) -> pa.Table:
    """Read several files of one table and put them together, in the order given."""
    return pa.concat_tables([read_table(path, name, columns) for path in paths])
