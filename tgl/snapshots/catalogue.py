"""Stage `snapshots`: list the dump files of each date in the table `files`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from tgl.core.errors import TglError
from tgl.core.files import sha1_file
from tgl.core.tables.read import read_table
from tgl.core.tables.write import write_table
from tgl.snapshots.dumps.missing_text import refuse_stub
from tgl.snapshots.dumps.seven_zip import unreadable
from tgl.snapshots.dumps.streams import holds_none
from tgl.snapshots.settings import WorldConfig
from tgl.snapshots.world.build import build_world
from tgl.snapshots.world.dump import write_dump


def write_files(
    paths: Iterable[str | Path], output: str | Path, about: Mapping[str, str] | None = None
) -> None:
    """Write the table `files` of existing dump files, with part files sorted by their page ranges.

    Args:
        paths: The dump files.
        output: The table to write.
        about: The origin of the files, for the metadata of the table.

    Raises:
        TglError: There is no file, a file does not exist, or a file is a stub dump.
    """
    rows = []
    for path in sorted(map(Path, paths), key=_natural):
        if not path.is_file():
            raise TglError(f"{path}: no such dump file. Give the path of an existing file")
        refuse_stub(path)
        rows.append({"path": str(path), "bytes": path.stat().st_size, "sha1": _sha1(path)})
    if not rows:
        raise TglError(f"{output}: no dump file for this date. Check the dates and the source in snapshots")
    write_table(rows, output, "files", counts={"files": len(rows)}, about=about)


def dump_paths(files: str | Path, first: int = 0, last: int | None = None) -> list[str]:
    """Return the paths in a table `files`, after a check that the files are unchanged.

    Args:
        files: The table.
        first: The first page id of the wanted range.
        last: The last page id of the range, or None for no limit.

    Raises:
        TglError: A file is missing, or its size or SHA-1 has changed. The SHA-1 is checked only if the name of the file
            does not exclude the range of page ids.
    """
    rows = read_table(files, "files").to_pylist()
    for row in rows:
        path = Path(row["path"])
        if not path.is_file() or path.stat().st_size != row["bytes"]:
            raise TglError(
                f"{files}: {path} is missing or its size has changed since it was listed. List it again"
            )
        if not holds_none(path, first, last) and _sha1(path) != row["sha1"]:
            raise TglError(
                f"{files}: the SHA-1 of {path} has changed since it was listed, expected {row['sha1']}. List it again"
            )
    return [row["path"] for row in rows]


def write_world(
    settings: WorldConfig, dates: list[str], folders: list[Path], *, files: list[Path], facts: Path
) -> None:
    """Write the synthetic world: a dump folder and a table `files` for each date, and the table `facts`."""
    world = build_world(settings, dates)
    for number, (folder, listing) in enumerate(zip(folders, files, strict=True)):
        write_files([write_dump(world, number, folder)], listing)
    rows = list(world.facts())
    write_table(rows, facts, "facts", counts={"facts": len(rows), "entities": len(world.entities)})


def _sha1(path: Path) -> str:
    try:
        return sha1_file(path)
    except OSError as error:
        raise unreadable(path, error) from None


def _natural(path: Path) -> list:
    """Return a sort key that compares the numbers in part file names (-p1p1500, -p1501p4000) as numbers."""
    return [int(piece) if piece.isdecimal() else piece for piece in re.split(r"(\d+)", str(path))]
