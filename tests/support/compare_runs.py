"""Compare the artifacts of two runs: tables by their rows, plans and pages by their text, weights by their bytes."""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow.parquet as pq

TEXTS = {".csv", ".json", ".html", ".svg", ".txt", ".safetensors"}


def differences(first: Path, second: Path) -> list[str]:
    """Return the artifacts, as paths below the folders of results, that differ or that one run lacks."""
    found = {folder: _artifacts(folder) for folder in (first, second)}
    missing = sorted(found[first] ^ found[second])
    return [f"{name} (in one run alone)" for name in missing] + [
        name for name in sorted(found[first] & found[second]) if not _equal(first / name, second / name)
    ]


def _artifacts(folder: Path) -> set[str]:
    kinds = {*TEXTS, ".parquet"}
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.suffix in kinds}
    return {name for name in names if name not in ("manifest.json", "runs.json")}


def _equal(first: Path, second: Path) -> bool:
    if first.suffix == ".parquet":
        return pq.read_table(first).equals(pq.read_table(second))
    return first.read_bytes() == second.read_bytes()


if __name__ == "__main__":
    found = differences(Path(sys.argv[1]), Path(sys.argv[2]))
    print("\n".join(found) or "equal")
    sys.exit(bool(found))
