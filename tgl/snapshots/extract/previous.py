"""The table `pages` of the date before, whose texts are copied where a page has not changed."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from tgl.core.tables.read import read_table
from tgl.core.tables.row_groups import RowGroups
from tgl.snapshots.dumps.reader import RawPage
from tgl.snapshots.dumps.revisions import same_revision


class Previous:
    """The table `pages` of the date before.

    `texts` holds `columns`, the columns made of a page's text. They are read a row group at a time.
    """

    def __init__(self, path: str | Path, columns: list[str]) -> None:
        known = read_table(path, "pages", ["page_id", "revision_id", "sha1"])
        # Arrays, since a shard may hold millions of pages; the rows rise by page id.
        self._page_ids = known["page_id"].to_numpy()
        self._revision_ids = known["revision_id"].to_numpy()
        self._sha1 = known["sha1"].combine_chunks()
        self.texts = RowGroups(path, "pages", columns)
        self._timestamps = RowGroups(path, "pages", ["timestamp"])

    def row(self, page_id: int) -> int | None:
        """Return the row of a page, None when it is new."""
        row = int(np.searchsorted(self._page_ids, page_id))
        return row if row < len(self._page_ids) and self._page_ids[row] == page_id else None

    def row_of(self, page: RawPage) -> int | None:
        """Return the row of a page's text, None when it has changed or is new."""
        row = self.row(page.page_id)
        if row is None:
            return None
        same = same_revision(
            int(self._revision_ids[row]), self._sha1[row].as_py(), page.revision_id, new_sha1=page.sha1
        )
        return row if same else None

    def with_revision(self, page: RawPage, row: int) -> RawPage:
        """Return a page with the revision of a row in place of its own."""
        timestamp = self._timestamps.take([row])["timestamp"][0].as_py()
        return dataclasses.replace(
            page,
            revision_id=int(self._revision_ids[row]),
            timestamp=timestamp,
            sha1=self._sha1[row].as_py(),
        )
