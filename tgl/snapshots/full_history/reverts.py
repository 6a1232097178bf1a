"""Choose the revision of a page at a date: the last one that was not undone later.

Revisions are sorted by timestamp, then by id, then by position in the file. At a moment D the page is represented by
the last revision before D that has a text and is not undone.

A revision r is undone if one of the next `revisions` revisions, at most `hours` hours after r, has the same SHA-1 as a
revision before r, and r itself has another SHA-1. This is an identity revert: the page has its earlier text again. The
revert itself is kept unless it is undone too. Revisions after D count as well. With 0 hours no revision is undone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from tgl.snapshots.dumps.reader import RawPage

# At each date every page is counted under exactly one of these reasons.
REASONS = ("kept", "no_revision_before", "deleted_text", "missing_text", "only_undone")


class Revision(NamedTuple):
    """A revision; the order of its fields is its sort order.

    Attributes:
        seconds: The timestamp, in seconds since 1970 (UTC).
        revision_id: The id of the revision.
        number: Its position in the file.
        sha1: The SHA-1 of the text, or empty if neither text nor SHA-1 is known.
        has_text: Whether the text is available.
        page: The page to write if this revision is chosen.
        missing: Whether the text failed to load.
    """

    seconds: int
    revision_id: int
    number: int
    sha1: bytes
    has_text: bool
    page: RawPage | None = None
    missing: bool = False


class Choice(NamedTuple):
    """The revision chosen at a moment, or None with the reason.

    Attributes:
        revision: The revision, or None.
        reason: One of REASONS.
        undone: The number of later revisions that were skipped because they are undone.
        missing: The number of later revisions that were skipped because their text is missing.
    """

    revision: Revision | None
    reason: str
    undone: int
    missing: int = 0


class Choices:
    """Choose a revision at each moment from the sorted revisions of one page.

    Memory holds the revisions chosen so far, the last kept one, at most `revisions` after it, and each SHA-1 once.

    Args:
        moments: Seconds since 1970, in ascending order.
        hours: The maximum time between a revision and its revert.
        revisions: The maximum number of revisions between them.
    """

    def __init__(self, moments: Sequence[int], hours: int, revisions: int) -> None:
        self.found: list[Choice] = []
        self._moments, self._seconds = moments, hours * 3600
        self._most = revisions if hours else 0
        self._first: dict[bytes, int] = {}  # position of the first revision with a SHA-1
        self._open: deque[tuple[int, Revision]] = (
            deque()
        )  # revisions that may still be undone, with their positions
        self._undone: set[int] = set()  # positions of undone revisions in `_open`
        self._added = self._settled = self._skipped = self._missing = 0
        self._last: Revision | None = None

    def add(self, revision: Revision) -> None:
        """Add the next revision."""
        while self._open and (
            len(self._open) > self._most or revision.seconds - self._open[0][1].seconds > self._seconds
        ):
            self._settle()
        if revision.sha1:
            first = self._first.setdefault(revision.sha1, self._added)
            self._undone |= {
                place for place, other in self._open if first < place and other.sha1 != revision.sha1
            }
        self._open.append((self._added, revision))
        self._added += 1

    def finish(self) -> list[Choice]:
        """Return the choice at each moment, after the last revision."""
        while self._open:
            self._settle()
        self._answer(None)
        return self.found

    def _settle(self) -> None:
        """Decide the oldest open revision."""
        place, revision = self._open.popleft()
        self._answer(revision.seconds)
        self._settled += 1
        if not revision.has_text:
            self._missing += revision.missing
        elif place in self._undone:
            self._skipped += 1
        else:
            self._last, self._skipped, self._missing = revision, 0, 0
        self._undone.discard(place)

    def _answer(self, until: int | None) -> None:
        """Record the choice at the moments up to `until`, before which all revisions are decided."""
        while len(self.found) < len(self._moments) and (
            until is None or self._moments[len(self.found)] <= until
        ):
            self.found.append(Choice(self._last, self._reason(), self._skipped, self._missing))

    def _reason(self) -> str:
        if self._last is not None:
            return "kept"
        if self._settled == 0:
            return "no_revision_before"
        if self._skipped:
            return "only_undone"
        return "missing_text" if self._missing else "deleted_text"
