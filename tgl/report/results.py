"""`tgl.load_results`: read the tables of a finished experiment with pandas."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from tgl.core.errors import TglError, nearest
from tgl.core.layout import PATTERNS, place
from tgl.core.schemas import SCHEMAS
from tgl.core.tables.read import read_table
from tgl.report.csv_text import read_csv_table

_TABLES = tuple(name for name in SCHEMAS if name in PATTERNS)


class Results:
    """The tables of one experiment. Each table is read on access.

    `results["scores"]` is one table for all models, methods and seeds. Its column `artifact` names the artifact that
    each row comes from. `results.names` lists the available tables.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        paths = (path.relative_to(folder) for path in folder.rglob("*.parquet"))
        files = sorted(map(str, paths), key=_natural)
        self._files: dict[str, list[tuple[str, str]]] = {}
        for file in files:
            for name in _TABLES:
                if found := place(name, file):
                    self._files.setdefault(name, []).append((found[0], file))

    @property
    def names(self) -> list[str]:
        """The names of the available tables."""
        return sorted(self._files)

    def __getitem__(self, name: str) -> pd.DataFrame:
        """Return a table of the experiment.

        Raises:
            TglError: If the experiment has no such table.
        """
        if name not in self._files:
            raise TglError(
                f"{self.folder}: no table '{name}'{nearest(name, self._files)}; found: {', '.join(self.names)}"
            )
        tables = [
            read_table(self.folder / file, name).to_pandas().assign(artifact=artifact)
            for artifact, file in self._files[name]
        ]
        return pd.concat(tables, ignore_index=True)

    def report(self, name: str) -> pd.DataFrame:
        """Return a table of the report, such as `summary` or `equal_uptake`.

        A table without rows may have no columns, for instance `transfers` of a single period.

        Raises:
            TglError: If the report has no such table.
        """
        path = self.folder / "report" / f"{name}.csv"
        if not path.is_file():
            found = sorted(file.stem for file in path.parent.glob("*.csv"))
            raise TglError(
                f"{path}: no such table of the report{nearest(name, found)}; found: {', '.join(found)}"
            )
        return read_csv_table(path)

    def __repr__(self) -> str:
        return f"<Results {self.folder}: {', '.join(self.names) or 'no table'}>"

    def _repr_html_(self) -> str:
        rows = [(name, len(files)) for name, files in sorted(self._files.items())]
        return pd.DataFrame(rows, columns=["table", "files"]).to_html(index=False)


def _natural(path: str) -> list:
    """Return a sort key that compares the numbers in a path as numbers: shard 2 comes before shard 10."""
    pieces = re.split(r"(\d+)", path)
    return [int(piece) if number % 2 else piece for number, piece in enumerate(pieces)]


def load_results(folder: str | Path) -> Results:
    """Load the tables of a finished experiment.

    Args:
        folder: Results of an experiment, such as results/default.

    Raises:
        TglError: If the folder is missing or contains no table.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise TglError(
            f"{folder}: no such folder. Pass the results of an experiment, such as results/default."
        )
    results = Results(folder)
    if not results.names:
        raise TglError(
            f"{folder}: contains no table of an experiment. Pass a folder such as results/default."
        )
    return results
