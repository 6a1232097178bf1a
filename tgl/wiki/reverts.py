"""Which revision of a page stands for it at a date, told from all of its revisions: the last that nobody undid.

Revisions are in order of their timestamps, those of the same second in order of their ids, then of their places in the
file. At a moment D the last revision before D stands for the page whose text is there and which is not undone.

A revision r is undone when one of the next `revisions` revisions, at most `hours` hours after r, has the SHA-1 of any
revision before r, and r itself has another: an identity revert, after which the page is as it was before. The revert
itself is kept, unless it is undone in turn. Revisions after D speak too. With 0 hours none is undone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from tgl.wiki.reader import RawPage

# Each page is counted under exactly one of these, at each date.
REASONS = ("kept", "no_revision_before", "deleted_text", "missing_text", "only_undone")


class Revision(NamedTuple):
    """A revision in the order that counts; sha1 is empty where the text is not there and its SHA-1 neither.

    seconds: since 1970, UTC. number: its place in the file. page: what is to be written when it stands at a date.
    missing: the text is not there because it failed to load.
    """

    seconds: int
    revision_id: int
    number: int
    sha1: bytes
    has_text: bool
    page: RawPage | None = None
    missing: bool = False


class Choice(NamedTuple):
    """What stands at a moment: a revision, or none for a reason.

    `undone`, `missing`: revisions after it that were passed over since they were undone, or their text is missing.
    """

    revision: Revision | None
    reason: str
    undone: int
    missing: int = 0


class Choices:
    """What stands at each of some rising moments (seconds since 1970), from one page's revisions given in order.

    It holds the revisions chosen so far, the last one kept and at most `revisions` after it, and each SHA-1 once.
    """

    def __init__(self, moments: Sequence[int], hours: int, revisions: int) -> None:
        self.found: list[Choice] = []
        self._moments, self._seconds = moments, hours * 3600
        self._most = revisions if hours else 0
        self._first: dict[bytes, int] = {}  # SHA-1: place of the first revision that has it
        self._open: deque[tuple[int, Revision]] = deque()  # what may still be undone, with its place
        self._undone: set[int] = set()  # places in `_open`
        self._added = self._settled = self._passed_over = self._missing = 0
        self._last: Revision | None = None

    def add(self, revision: Revision) -> None:
        """Take the next revision."""
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
        """Return what stands at each moment, after the last revision."""
        while self._open:
            self._settle()
        self._answer(None)
        return self.found

    def _settle(self) -> None:
        """Take the oldest revision out of what may still be undone."""
        place, revision = self._open.popleft()
        self._answer(revision.seconds)
        self._settled += 1
        if not revision.has_text:
            self._missing += revision.missing
        elif place in self._undone:
            self._passed_over += 1
        else:
            self._last, self._passed_over, self._missing = revision, 0, 0
        self._undone.discard(place)

    def _answer(self, until: int | None) -> None:
        """Say what stands at the moments up to `until`: all revisions before them are settled."""
        while len(self.found) < len(self._moments) and (
            until is None or self._moments[len(self.found)] <= until
        ):
            self.found.append(Choice(self._last, self._reason(), self._passed_over, self._missing))

    def _reason(self) -> str:
        if self._last is not None:
            return "kept"
        if self._settled == 0:
            return "no_revision_before"
        if self._passed_over:
            return "only_undone"
        return "missing_text" if self._missing else "deleted_text"
