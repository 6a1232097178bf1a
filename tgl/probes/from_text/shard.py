"""The tables of one shard: pages of two dates, the changes between them, and the base text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from tgl.core.errors import TglError
from tgl.core.schemas import SCHEMAS
from tgl.core.tables.read import iter_rows, read_table
from tgl.core.tables.row_groups import RowGroups
from tgl.text.diff.stage import joined, page_rows

PAGE = ["page_id", "title", "text", "links"]


@dataclass(frozen=True)
class Tables:
    """The tables of one shard: `pages` of both dates, `diff`, and the tables `pages` of the base text."""

    old: str | Path
    new: str | Path
    diff: str | Path
    base: tuple[str | Path, ...]

    def changes(self) -> Iterator[tuple[dict | None, dict, list[dict]]]:
        """Yield (old row, new row, rows of `diff`) for each page that `diff` contains.

        Raises:
            TglError: `diff` contains a page that the later table lacks, so it was made of other tables.
        """
        groups = groupby(iter_rows(self.diff, "diff", SCHEMAS["diff"].names), lambda row: row["page_id"])
        changed, rows = next(groups, (None, ()))
        for before, after in joined(page_rows(self.old, PAGE), page_rows(self.new, PAGE)):
            if after is not None and after["page_id"] == changed:
                yield before, after, list(rows)
                changed, rows = next(groups, (None, ()))
        if changed is not None:
            raise TglError(
                f"{self.diff}: found changes of page {changed}, which {self.new} does not contain after the pages "
                "before it; expected the changes between the two tables of pages. Give the diff of these tables"
            )

    def base_ids(self) -> np.ndarray:
        """Return the sorted ids of all pages of the base text."""
        return np.unique(np.concatenate([page_ids(path) for path in self.base]))

    def base_texts(self) -> Callable[[int], str]:
        """Return a function that returns the base text of a page.

        If it is called with rising ids, it keeps only one row group of each table in memory.
        """
        tables = [(page_ids(path), RowGroups(path, "pages", ["text"])) for path in self.base]

        def text(page_id: int) -> str:
            (found,) = (
                groups.take([int(np.searchsorted(ids, page_id))])["text"][0].as_py()
                for ids, groups in tables
                if among(page_id, ids)
            )
            return found

        return text


def among(page_id: int, ids: np.ndarray) -> bool:
    """Return whether a page is among sorted ids."""
    place = int(np.searchsorted(ids, page_id))
    return place < len(ids) and int(ids[place]) == page_id


def page_ids(path: str | Path) -> np.ndarray:
    """Return the ids of a table `pages`.

    Raises:
        TglError: They do not rise.
    """
    ids = read_table(path, "pages", ["page_id"])["page_id"].to_numpy()
    if (ids[1:] <= ids[:-1]).any():
        raise TglError(f"{path}: the page ids are not sorted. Expected a table that the stage pages writes")
    return ids
