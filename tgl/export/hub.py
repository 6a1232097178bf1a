"""Tables of an experiment as folders that `datasets.load_dataset` reads, each with its card."""

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

from tgl.errors import TglError, nearest
from tgl.export.card import DataFile, card
from tgl.export.kinds import Kind, Table, read_kinds, tables_of
from tgl.export.sources import sources_of
from tgl.files import atomic_folder, atomic_path, sha256_file, write_text
from tgl.provenance.files import artifact_files
from tgl.provenance.manifest import NAME, Manifest, read_manifest
from tgl.schemas import SCHEMAS
from tgl.tables import read_counts, read_table, write_table


def export_hub(
    results: str | Path,
    folder: str | Path,
    names: Collection[str] = (),
    say: Callable[[str], None] = print,
) -> list[Path]:
    """Write a folder for each kind of table of an experiment, or for those named; return the folders.

    Each holds README.md and data/<configuration>/<split>-<number>-of-<number>.parquet, copies of the tables; what has
    a column of splits is taken apart by it. A folder appears whole or not at all; one that is there is never touched.
    Tables without a row are left out and said, as are those that the manifest does not know. Raises TglError when the
    manifest or a table is missing, or a table is not what the manifest says, and for a name that there is nothing of.
    """
    results, folder = Path(results), Path(folder)
    manifest, kinds = read_manifest(results / NAME), read_kinds()
    found = {name: tables for name, kind in kinds.items() if (tables := tables_of(kind, manifest))}
    if not found:
        raise TglError(f"{results / NAME}: knows no table that is exported; let the workflow make one")
    for name in names:
        if name not in found:
            raise TglError(
                f"{results / NAME}: knows no table '{name}'{nearest(name, found)}; found: {', '.join(found)}"
            )
    chosen = {name: tables for name, tables in found.items() if name in names or not names}
    for name in chosen:
        if (folder / name).exists():
            raise TglError(f"{folder / name}: is there already; remove it or name another folder")
    _say_unknown(results, kinds, manifest, say)
    rows = {table: _num_rows(results, name, table) for name, tables in chosen.items() for table in tables}
    written = []
    for name, tables in chosen.items():
        if not any(rows[table] for table in tables):
            say(f"{name}: left out, no table of it has a row")
            continue
        with atomic_folder(folder / name) as part:
            files = list(_write(results, part, name, kinds[name], {table: rows[table] for table in tables}))
            sources = sources_of(results, tables, manifest)
            counts = _counts(results, tables)
            text = card(name, kinds[name], results.resolve().name, files, counts, sources, manifest)
            write_text(part / "README.md", text)
        written.append(folder / name)
        say(f"{folder / name}: {len(tables)} tables, {sum(file.rows for file in files)} rows")
    return written


def _say_unknown(
    results: Path, kinds: dict[str, Kind], manifest: Manifest, say: Callable[[str], None]
) -> None:
    known = manifest.makers()
    for path in artifact_files(results):
        if path not in known and any(kind.place(path) for kind in kinds.values()):
            say(f"{results / path}: left out, the manifest does not know it")


def _num_rows(results: Path, name: str, table: Table) -> int:
    """Return the number of rows of a table, after comparing it with the manifest."""
    path = results / table.file.path
    if not path.is_file():
        raise TglError(f"{path}: no such file, and the manifest knows one; {_again(results)}")
    found = sha256_file(path)
    if found != table.file.sha256:
        raise TglError(
            f"{path}: SHA-256 {found} found, {table.file.sha256} expected by the manifest; the table is damaged or was "
            f"changed; {_again(results)}"
        )
    read_table(path, name, SCHEMAS[name].names[:1])  # refuses another table
    return pq.read_metadata(path).num_rows


def _again(results: Path) -> str:
    return f"run `tgl verify {shlex.quote(str(results))}`, which names the command that makes it again"


def _write(results: Path, part: Path, name: str, kind: Kind, rows: Mapping[Table, int]) -> Iterator[DataFile]:
    """Write the files of a dataset below the folder `part` and yield each, with those that have no row."""
    for config, members in groupby(rows, key=lambda table: table.config):
        tables = list(members)
        if kind.split_by:
            yield from _split(results, part, name, kind.split_by, tables)
            continue
        full = [table for table in tables if rows[table]]
        for table in tables:
            path = _path(config, "train", full.index(table), len(full)) if rows[table] else None
            if path is not None:
                with atomic_path(part / path) as copy:
                    shutil.copyfile(results / table.file.path, copy)
            yield DataFile(path, config, "train", rows[table], table)


def _split(results: Path, part: Path, name: str, column: str, tables: list[Table]) -> Iterator[DataFile]:
    """Write one file for each value of a column and each table that has it."""
    whole = [(table, read_table(results / table.file.path, name)) for table in tables]
    values = dict.fromkeys(value for _, rows in whole for value in rows[column].to_pylist())
    for value in sorted(values, key=lambda value: (value != "train", value)):
        chosen = [(table, rows.filter(pc.equal(rows[column], value))) for table, rows in whole]
        chosen = [(table, rows) for table, rows in chosen if rows.num_rows]
        for number, (table, rows) in enumerate(chosen):
            path = _path(table.config, value, number, len(chosen))
            write_table(rows, part / path, name)
            yield DataFile(path, table.config, value, rows.num_rows, table)


def _path(config: str, split: str, number: int, total: int) -> str:
    """Return where a file of a dataset lies below its folder; what names it comes from manifest and tables."""
    for name in (config, split):
        if not re.fullmatch(r"\w[\w.+=,-]*", name):
            raise TglError(
                f"export: '{name}' is no name of a configuration or split of a dataset; expected letters, digits and "
                "_ . + = , - only: correct the table or the manifest"
            )
    return f"data/{config}/{split}-{number:05d}-of-{total:05d}.parquet"


def _counts(results: Path, tables: Iterable[Table]) -> dict[str, Counter]:
    """Return the counts stored with the tables by configuration, shards added up; none where nothing was counted."""
    found: dict[str, Counter] = {}
    for table in tables:
        found.setdefault(table.config, Counter()).update(read_counts(results / table.file.path))
    return {config: counts for config, counts in found.items() if counts}
