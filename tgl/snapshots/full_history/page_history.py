"""Choose from the revisions of one page in any file order, with little memory."""

from __future__ import annotations

import heapq
import struct
from collections.abc import Sequence
from typing import NamedTuple

from tgl.snapshots.dumps.reader import RawPage
from tgl.snapshots.full_history.reverts import Choice, Choices, Revision
from tgl.snapshots.settings import HistoryConfig

_AHEAD = 16  # revisions that are buffered, so that neighbours may be out of order
_RECORD = struct.Struct("<qqq32s??")


class Outcome(NamedTuple):
    """The choice at each moment.

    Attributes:
        choices: The choices, with the pages of the chosen revisions.
        newest: The number of the page's newest revision.
        released: The numbers of chosen revisions whose pages are no longer in memory. Their choices have no page.
    """

    choices: list[Choice]
    newest: int
    released: frozenset[int]


class PageHistory:
    """Take the revisions of one page and choose from them.

    Revisions are nearly always in order. `Choices` processes them as they arrive and releases most of them. If a
    revision arrives too late for that, the choice is made again from a record of all revisions (58 bytes each). The
    texts available then are those that the first choice kept, and the latest late one before each moment.

    Args:
        moments: Seconds since 1970, in ascending order.
        settings: The section `snapshots.history` of the configuration.
        wanted: The numbers of revisions that are kept in memory in any case.
    """

    def __init__(self, moments: Sequence[int], settings: HistoryConfig, wanted: frozenset[int]) -> None:
        self._moments, self._settings, self._wanted = moments, settings, wanted
        # A revert after this time cannot undo a revision before the last moment.
        self._end = moments[-1] + settings.revert_hours * 3600
        self._choices = self._new_choices()
        self._waiting: list[Revision] = []
        self._reached: Revision | None = None
        self._newest: tuple[int, int, int] | None = None
        self._in_order = True
        self._late: list[Revision | None] = [None] * len(moments)
        self._held: dict[int, RawPage] = {}
        self._records = bytearray()

    def add(self, revision: Revision) -> None:
        """Add the next revision of the file."""
        key = revision[:3]
        self._newest = key if self._newest is None else max(self._newest, key)
        if revision.seconds >= self._end:
            return
        self._records += _RECORD.pack(*revision[:5], revision.missing)
        if revision.number in self._wanted:
            self._held[revision.number] = revision.page
        if revision.seconds >= self._moments[-1]:
            revision = revision._replace(page=None)
        heapq.heappush(self._waiting, revision)
        if len(self._waiting) > _AHEAD:
            self._release(heapq.heappop(self._waiting))

    def finish(self) -> Outcome:
        """Return the outcome after the last revision."""
        while self._waiting:
            self._release(heapq.heappop(self._waiting))
        choices = self._choices.finish()
        if not self._in_order:
            held = [choice.revision for choice in choices] + self._late
            self._held |= {revision.number: revision.page for revision in held if revision is not None}
            choices = self._choose_again()
        chosen = [choice.revision for choice in choices if choice.revision is not None]
        return Outcome(
            choices,
            -1 if self._newest is None else self._newest[2],
            frozenset(revision.number for revision in chosen if revision.page is None),
        )

    def _new_choices(self) -> Choices:
        return Choices(self._moments, self._settings.revert_hours, self._settings.revert_revisions)

    def _choose_again(self) -> list[Choice]:
        choices = self._new_choices()
        for seconds, revision_id, number, sha1, has_text, missing in sorted(
            _RECORD.iter_unpack(self._records)
        ):
            page = self._held.get(number)
            choices.add(Revision(seconds, revision_id, number, sha1.rstrip(b"\0"), has_text, page, missing))
        return choices.finish()

    def _release(self, revision: Revision) -> None:
        if self._reached is None or self._reached < revision:
            self._reached = revision._replace(page=None)
            self._choices.add(revision)
            return
        self._in_order = False
        for number, moment in enumerate(self._moments):
            latest = self._late[number]
            if revision.has_text and revision.seconds < moment and (latest is None or latest < revision):
                self._late[number] = revision
