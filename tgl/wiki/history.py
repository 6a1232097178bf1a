"""Snapshots at any dates out of one full history of a wiki (pages-meta-history), all of them in one reading.

For each date, 00:00:00 UTC, a dump of one revision a page: that which `tgl.wiki.reverts` chooses. A page without one is
left out and counted. Titles and namespaces are the present ones, as a history has no former ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path

from tgl.config import HistoryConfig
from tgl.errors import TglError
from tgl.wiki.dump_writer import DumpWriter, Page, dump_header
from tgl.wiki.page_history import Outcome, PageHistory
from tgl.wiki.reader import RawPage, read_histories
from tgl.wiki.reverts import REASONS, Revision
from tgl.wiki.revisions import revision_sha1
from tgl.wiki.siteinfo import read_siteinfo
from tgl.wiki.streams import written_name

_MOST_REVISIONS = 5_000_000  # of a page; the busiest of English Wikipedia have about two million
_TIMESTAMP = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
# A redirect's text in any language: one word behind the number sign, then a link.
_REDIRECT = re.compile(r"\s*#[^\s#:\[\]{}|<>]+\s*(?::\s*)?\[\[([^\[\]|\n]*)")


def write_snapshots(
    history: str | Path,
    dates: Sequence[str],
    folder: str | Path,
    settings: HistoryConfig | None = None,
    say: Callable[[str], None] = print,
) -> dict[str, dict[str, int]]:
    """Write folder/<date>/dump/<name of the history>.xml.bz2 for each date; return the counts of each.

    dates: YYYYMMDD, rising. Of the counts `pages` is the sum of `kept` and of each reason for leaving a page out;
    `undone` counts the undone revisions after the chosen one, `missing`, where there are any, those whose text failed
    to load. A page whose revisions are so far out of order that a text is wanted which was let go makes the file be
    read a second time, which is logged. Memory holds of a page a few revisions, one text a date, and some 200 bytes a
    revision; and of each date a megabyte that waits to be written.
    Raises TglError as the reader does, and for dates, timestamps or numbers of revisions that are none.
    """
    history, settings = Path(history), settings or HistoryConfig()
    moments = [_moment(date) for date in dates]
    if not dates or any(later <= earlier for earlier, later in zip(moments, moments[1:], strict=False)):
        raise TglError(f"{history}: dates {list(dates)} found, at least one and rising ones expected")
    name = written_name(history)
    paths = [Path(folder) / date / "dump" / name for date in dates]
    try:
        counts = _read(history, moments, paths, settings, {})
    except _LetGo as pages:
        say(f"{history}: {len(pages.wanted)} pages have revisions far out of order; reading it again")
        counts = _read(history, moments, paths, settings, pages.wanted)
    found = dict(zip(dates, counts, strict=True))
    for date, count in found.items():
        say(f"{date}: {count}")
    return found


class _LetGo(Exception):
    """Texts that were wanted when it was too late: the places of revisions by the place of their page."""

    def __init__(self, wanted: dict[int, frozenset[int]]) -> None:
        self.wanted = wanted


def _read(
    history: Path,
    moments: list[int],
    paths: list[Path],
    settings: HistoryConfig,
    wanted: dict[int, frozenset[int]],
) -> list[dict[str, int]]:
    """Write the dumps in one reading; of the pages in `wanted` the revisions named are held."""
    counts = [{"pages": 0, **dict.fromkeys((*REASONS, "undone"), 0)} for _ in moments]
    let_go: dict[int, frozenset[int]] = {}
    header = dump_header(read_siteinfo(history))
    with ExitStack() as stack:
        writers = [stack.enter_context(DumpWriter(path, header)) for path in paths]
        histories = stack.enter_context(closing(read_histories(history)))
        for place, revisions in enumerate(histories):
            page = _page(history, revisions, moments, settings, wanted.get(place, frozenset()))
            if page.let_go:
                let_go[place] = page.let_go
            for choice, count, writer in zip(page.choices, counts, writers, strict=True):
                count["pages"] += 1
                count[choice.reason] += 1
                count["undone"] += choice.undone
                if choice.missing:
                    count["missing"] = count.get("missing", 0) + choice.missing
                if choice.revision is not None and not let_go:
                    writer.add(_written(choice.revision.page, choice.revision.number == page.newest))
        if let_go:
            raise _LetGo(let_go)  # nothing that was written gets its name
    return counts


def _page(
    history: Path,
    revisions: Iterable[RawPage],
    moments: list[int],
    settings: HistoryConfig,
    wanted: frozenset[int],
) -> Outcome:
    """Return what stands at each moment of one page."""
    page = PageHistory(moments, settings, wanted)
    for number, raw in enumerate(revisions):
        if number == _MOST_REVISIONS:
            raise TglError(
                f"{history}: page '{raw.title}' has more than {_MOST_REVISIONS} revisions; not a history"
            )
        sha1 = raw.sha1 or ("" if raw.text is None else revision_sha1(raw.text))
        page.add(
            Revision(
                _seconds(history, raw),
                raw.revision_id,
                number,
                sha1.encode()[:32],
                raw.text is not None,
                raw,
                raw.missing,
            )
        )
    return page.finish()


def _written(page: RawPage, newest: bool) -> Page:
    """Return a chosen revision as it is written; the dump's <redirect> speaks for the newest alone."""
    match = _REDIRECT.match(page.text) if page.model == "wikitext" else None
    redirect = match[1].strip() if match else None
    if newest:
        redirect = (redirect or "") if page.is_redirect else None
    return Page(
        page.page_id,
        page.title,
        page.namespace,
        page.revision_id,
        page.timestamp,
        page.text,
        redirect,
        page.model,
    )


def _moment(date: str) -> int:
    """Return the second since 1970 that a date YYYYMMDD begins with, UTC."""
    try:
        return int(datetime.strptime(date, "%Y%m%d").replace(tzinfo=UTC).timestamp())
    except ValueError:
        raise TglError(f"'{date}' is not a date YYYYMMDD") from None


def _seconds(history: Path, page: RawPage) -> int:
    try:
        if not _TIMESTAMP.fullmatch(page.timestamp):  # datetime takes other forms too
            raise ValueError
        return int(datetime.fromisoformat(page.timestamp).timestamp())
    except ValueError:
        raise TglError(
            f"{history}: page '{page.title}', revision {page.revision_id}: timestamp '{page.timestamp[:40]}' found, "
            "YYYY-MM-DDThh:mm:ssZ expected"
        ) from None
