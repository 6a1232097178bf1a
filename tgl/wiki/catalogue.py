"""Stage `snapshots`: the dump files of each date, whatever their source, as the table `files`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from tgl.config import WorldConfig
from tgl.errors import TglError
from tgl.files import sha1_file
from tgl.tables import read_table, write_table
from tgl.wiki.missing_text import refuse_stub
from tgl.wiki.seven_zip import unreadable
from tgl.wiki.streams import holds_none
from tgl.wiki.world import build_world
from tgl.wiki.world_dump import write_dump


def write_files(
    paths: Iterable[str | Path], output: str | Path, about: Mapping[str, str] | None = None
) -> None:
    """Write the table `files` of existing dump files, part files in order of their page ranges.

    about: where they came from, for the table's metadata.
    """
    rows = []
    for path in sorted(map(Path, paths), key=_natural):
        if not path.is_file():
            raise TglError(f"{path}: no such dump file")
        refuse_stub(path)
        rows.append({"path": str(path), "bytes": path.stat().st_size, "sha1": _sha1(path)})
    if not rows:
        raise TglError(f"{output}: no dump file for this date")
    write_table(rows, output, "files", {"files": len(rows)}, about)


def dump_paths(files: str | Path, first: int = 0, last: int | None = None) -> list[str]:
    """Return the paths in a table `files`.

    Raises TglError when a file is gone or has another size than was recorded; and another SHA-1, of those files whose
    name does not say that they hold none of the page ids `first` to `last`.
    """
    rows = read_table(files, "files").to_pylist()
    for row in rows:
        path = Path(row["path"])
        if not path.is_file() or path.stat().st_size != row["bytes"]:
            raise TglError(
                f"{files}: {path} is gone or has changed its size since it was listed; list it again"
            )
        if not holds_none(path, first, last) and _sha1(path) != row["sha1"]:
            raise TglError(
                f"{files}: {path} has another content (SHA-1) than when it was listed, {row['sha1']} expected; list it "
                "again"
            )
    return [row["path"] for row in rows]


def write_world(
    settings: WorldConfig, dates: list[str], folders: list[Path], files: list[Path], facts: Path
) -> None:
    """Write the synthetic world: a dump folder and a table `files` for each date, and the table `facts`."""
    world = build_world(settings, dates)
    for number, (folder, listing) in enumerate(zip(folders, files, strict=True)):
        write_files([write_dump(world, number, folder)], listing)
    rows = list(world.facts())
    write_table(rows, facts, "facts", {"facts": len(rows), "entities": len(world.entities)})


def _sha1(path: Path) -> str:
    try:
        return sha1_file(path)
    except OSError as error:
        raise unreadable(path, error) from None


def _natural(path: Path) -> list:
    """Sort part files -p1p1500, -p1501p4000, -p10000p... as numbers."""
    return [int(piece) if piece.isdecimal() else piece for piece in re.split(r"(\d+)", str(path))]
