"""What a card says, read back."""

from __future__ import annotations

import re
from pathlib import Path

import yaml


def header(folder: Path) -> dict:
    """Return the YAML at the top of a card."""
    return yaml.safe_load((folder / "README.md").read_text().split("---\n")[1])


def tables(folder: Path) -> list[tuple[list[str], list[list[str]]]]:
    """Return (names, rows) of every table of a card."""
    found, lines = [], (folder / "README.md").read_text().replace("\\|", "¦").splitlines()
    lines = [re.sub(r"\\([\[\]*`_~$])", r"\1", line) for line in lines]
    for number, line in enumerate(lines):
        if line.startswith("|---"):
            rows = [lines[number - 1]]
            for row in lines[number + 1 :]:
                if not row.startswith("|"):
                    break
                rows.append(row)
            cells = [
                [cell.strip().replace("¦", "|") for cell in row.strip().strip("|").split("|")] for row in rows
            ]
            assert len({row.count("|") for row in [*rows, line]}) == 1, rows
            found.append((cells[0], cells[1:]))
    return found


def rows(folder: Path) -> list[dict[str, str]]:
    """Return the table of files."""
    (found,) = [(names, cells) for names, cells in tables(folder) if names[0] == "configuration"]
    return [dict(zip(found[0], cells, strict=True)) for cells in found[1]]


def counts(folder: Path) -> dict[str, dict[str, int]]:
    """Return the stage's counts by configuration; a count that a configuration lacks is left out."""
    for names, cells in tables(folder):
        if names[0] == "":
            return {
                config: {row[0]: int(row[number]) for row in cells if row[number]}
                for number, config in enumerate(names[1:], 1)
            }
    return {}


def settings(folder: Path) -> list[list[str]]:
    """Return (rule, setting, value, configurations) of the table of settings."""
    return next((cells for names, cells in tables(folder) if names[:2] == ["rule", "setting"]), [])
