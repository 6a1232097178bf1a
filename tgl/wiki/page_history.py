"""One page's revisions in the order of the file, whatever that is, held as briefly as the choice of some allows."""

from __future__ import annotations

import heapq
import struct
from collections.abc import Sequence
from typing import NamedTuple

from tgl.config import HistoryConfig
from tgl.wiki.reader import RawPage
from tgl.wiki.reverts import Choice, Choices, Revision

_AHEAD = 16  # revisions that wait, so that neighbours may change places
_RECORD = struct.Struct("<qqq32s??")


class Outcome(NamedTuple):
    """What stands at each moment, each with its page; `newest`: the number of the page's last revision.

    let_go: numbers of the chosen revisions whose pages are held no more; their choices have none.
    """

    choices: list[Choice]
    newest: int
    let_go: frozenset[int]


class PageHistory:
    """Takes the revisions of one page and chooses from them.

    They are nearly always in order, so that `Choices` sees them as they come and lets go of most. Where one comes too
    late for that, the choice is made again from a record of all (58 bytes each), and the texts are those that the
    first choice held and the latest of those too late before each moment. `wanted`: numbers of revisions held anyway.
    """

    def __init__(self, moments: Sequence[int], settings: HistoryConfig, wanted: frozenset[int]) -> None:
        self._moments, self._settings, self._wanted = moments, settings, wanted
        # No revert from here on undoes what was there before the last moment.
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
        """Take the next revision of the file."""
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
        """Return the choice, after the last revision."""
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
