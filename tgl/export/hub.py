"""Write the tables of an experiment as folders that `datasets.load_dataset` reads, each with its dataset card."""

from __future__ import annotations

import re
import shlex
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from tgl.core.errors import TglError, nearest
from tgl.core.files import atomic_folder, atomic_path, sha256_file, write_text
from tgl.core.layout import place
from tgl.core.schemas import SCHEMAS
from tgl.core.tables.read import read_counts, read_table
from tgl.core.tables.write import write_table
from tgl.export.card import DataFile, card
from tgl.export.kinds import Kind, Table, read_kinds, tables_of
from tgl.export.sources import sources_of
from tgl.provenance.files import artifact_files
from tgl.provenance.manifest import NAME, File, Manifest, read_manifest


def export_hub(
    results: str | Path,
    folder: str | Path,
    names: Collection[str] = (),
    *,
    say: Callable[[str], None] = print,
) -> list[Path]:
    """Write a dataset folder for each kind of table of an experiment.

    Each folder has README.md and copies of the tables, data/<configuration>/<split>-<number>-of-<number>.parquet. A
    table with a split column is divided by it. Tables without rows, and tables that are not in the manifest, are
    skipped and logged. A folder is written completely or not at all. Existing folders are never changed.

    Args:
        results: Folder of the experiment.
        folder: Folder for the dataset folders.
        names: Names of the tables to export; empty for all.
        say: Function that prints a line.

    Returns:
        The dataset folders that were written.

    Raises:
        TglError: If the manifest or a table is missing, if a table differs from the manifest, if a name is unknown, or
            if a dataset folder exists already.
    """
    results, folder = Path(results), Path(folder)
    manifest, kinds = read_manifest(results / NAME), read_kinds()
    found = {
        name: tables
        for name, kind in kinds.items()
        if kind.exported and (tables := tables_of(name, manifest))
    }
    if not found:
        raise TglError(f"{results / NAME}: lists no table that can be exported. Run the workflow first.")
    for name in names:
        if name not in found:
            raise TglError(
                f"{results / NAME}: lists no table '{name}'{nearest(name, found)}; found: {', '.join(found)}"
            )
    chosen = {name: tables for name, tables in found.items() if name in names or not names}
    for name in chosen:
        if (folder / name).exists():
            raise TglError(f"{folder / name}: exists already. Remove it, or pass another folder.")
    _report_unknown(results, kinds, manifest, say=say)
    rows = {table: _num_rows(results, name, table) for name, tables in chosen.items() for table in tables}
    written = []
    for name, tables in chosen.items():
        if not any(rows[table] for table in tables):
            say(f"{name}: skipped, because its tables have no rows")
            continue
        with atomic_folder(folder / name) as part:
            files = list(
                _write(results, part, name, kind=kinds[name], rows={table: rows[table] for table in tables})
            )
            sources = sources_of(results, tables, manifest)
            counts = _counts(results, tables)
            text = card(
                name,
                kinds[name],
                results.resolve().name,
                files=files,
                counts=counts,
                sources=sources,
                manifest=manifest,
            )
            write_text(part / "README.md", text)
        written.append(folder / name)
        say(f"{folder / name}: {len(tables)} tables, {sum(file.rows for file in files)} rows")
    return written


def _report_unknown(
    results: Path, kinds: dict[str, Kind], manifest: Manifest, *, say: Callable[[str], None]
) -> None:
    known = manifest.makers()
    for path in artifact_files(results):
        if path not in known and any(kind.exported and place(name, path) for name, kind in kinds.items()):
            say(f"{results / path}: skipped, because it is not in the manifest")


def _num_rows(results: Path, name: str, table: Table) -> int:
    """Return the number of rows of a table, after comparing it with the manifest."""
    path = recorded_file(results, table.file)
    read_table(path, name, SCHEMAS[name].names[:1])  # Raises an error if the file is another kind of table.
    return pq.read_metadata(path).num_rows


def recorded_file(results: Path, file: File) -> Path:
    """Return the path of a file of an experiment, after comparing its content with the manifest.

    Raises:
        TglError: If the file is missing or differs from the manifest.
    """
    path = results / file.path
    if not path.is_file():
        raise TglError(f"{path}: no such file, but the manifest lists it. {_advice(results)}")
    found = sha256_file(path)
    if found != file.sha256:
        raise TglError(
            f"{path}: SHA-256 {found} found, {file.sha256} expected by the manifest. The file is damaged or was "
            f"changed. {_advice(results)}"
        )
    return path


def _advice(results: Path) -> str:
    return f"Run `tgl verify {shlex.quote(str(results))}`, which prints the command that makes it again."


def _write(
    results: Path, part: Path, name: str, *, kind: Kind, rows: Mapping[Table, int]
) -> Iterator[DataFile]:
    """Write the files of a dataset to the folder `part` and yield each one, including tables without rows."""
    for config, members in groupby(rows, key=lambda table: table.config):
        tables = list(members)
        if kind.split_by:
            yield from _split(results, part, name, column=kind.split_by, tables=tables)
            continue
        full = [table for table in tables if rows[table]]
        for table in tables:
            path = _path(config, "train", full.index(table), total=len(full)) if rows[table] else None
            if path is not None:
                with atomic_path(part / path) as copy:
                    shutil.copyfile(results / table.file.path, copy)
            yield DataFile(path, config, "train", rows[table], table)


def _split(results: Path, part: Path, name: str, *, column: str, tables: list[Table]) -> Iterator[DataFile]:
    """Write one file for each value of a column and each table that has it."""
    whole = [(table, read_table(results / table.file.path, name)) for table in tables]
    values = dict.fromkeys(value for _, rows in whole for value in rows[column].to_pylist())
    for value in sorted(values, key=lambda value: (value != "train", value)):
        chosen = [(table, rows.filter(pc.equal(rows[column], value))) for table, rows in whole]
        chosen = [(table, rows) for table, rows in chosen if rows.num_rows]
        for number, (table, rows) in enumerate(chosen):
            path = _path(table.config, value, number, total=len(chosen))
            write_table(rows, part / path, name)
            yield DataFile(path, table.config, value, rows.num_rows, table)


def _path(config: str, split: str, number: int, *, total: int) -> str:
    """Return the path of a file of a dataset, relative to its folder; check names from the manifest and the tables."""
    for name in (config, split):
        if not re.fullmatch(r"\w[\w.+=,-]*", name):
            raise TglError(
                f"export: '{name}' is not a valid name of a dataset configuration or split; expected only letters, "
                "digits and _ . + = , -. Correct the table or the manifest."
            )
    return f"data/{config}/{split}-{number:05d}-of-{total:05d}.parquet"


def _counts(results: Path, tables: Iterable[Table]) -> dict[str, Counter]:
    """Return the counts stored with the tables by configuration, summed over shards, without empty ones."""
    found: dict[str, Counter] = {}
    for table in tables:
        found.setdefault(table.config, Counter()).update(read_counts(results / table.file.path))
    return {config: counts for config, counts in found.items() if counts}
