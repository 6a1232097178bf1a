"""Make snapshots of any dates from one full history of a wiki (pages-meta-history) in a single pass.

For each date, 00:00:00 UTC, a dump with one revision of each page is written; `reverts` chooses the revision. A page
without a suitable revision is discarded and counted. Titles and namespaces are the current ones, because a history does
not record former ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

from tgl.core.errors import TglError
from tgl.snapshots.dumps.reader import RawPage, read_histories
from tgl.snapshots.dumps.revisions import revision_sha1
from tgl.snapshots.dumps.siteinfo import read_siteinfo
from tgl.snapshots.dumps.streams import written_name
from tgl.snapshots.dumps.writer import DumpWriter, Page, dump_header
from tgl.snapshots.full_history.page_history import Outcome, PageHistory
from tgl.snapshots.full_history.reverts import REASONS, Revision
from tgl.snapshots.settings import HistoryConfig

# The rule of the workflow reserves as many cores. Decompression takes most of the time.
_THREADS = 2

_MOST_REVISIONS = 5_000_000  # for one page; the busiest pages of English Wikipedia have about two million
_TIMESTAMP = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
# The text of a redirect in any language: a number sign, one word, and a link.
_REDIRECT = re.compile(r"\s*#[^\s#:\[\]{}|<>]+\s*(?::\s*)?\[\[([^\[\]|\n]*)")


def write_snapshots(
    history: str | Path,
    dates: Sequence[str],
    folder: str | Path,
    *,
    more: Sequence[str | Path] = (),
    settings: HistoryConfig | None = None,
    say: Callable[[str], None] = print,
) -> dict[str, dict[str, int]]:
    """Write folder/<date>/dump/<name of the history>.xml.bz2 for each date.

    Memory holds a few revisions of a page, one text for each date, some 200 bytes for each revision, and a write buffer
    of one megabyte for each date. If the revisions of a page are so far out of order that a text is no longer in memory
    when it is needed, the file is read a second time, and this is logged.

    Args:
        history: The history file.
        dates: The dates as YYYYMMDD, in ascending order.
        folder: The output folder.
        more: Files with more revisions of the one page that the history holds, in order.
        settings: The section `snapshots.history` of the configuration.
        say: Logs a line.

    Returns:
        The counts for each date. `pages` is the sum of `kept` and of the count of each reason for which a page is
            discarded. `undone` counts the undone revisions after the chosen one. `missing`, if present, counts those
            whose text failed to load.

    Raises:
        TglError: A file cannot be read, has another page than the first, or a date, a timestamp or the number of
            revisions is invalid.
    """
    history, settings = Path(history), settings or HistoryConfig()
    files = [history, *map(Path, more)]
    moments = [_moment(date) for date in dates]
    if not dates or any(later <= earlier for earlier, later in zip(moments, moments[1:], strict=False)):
        raise TglError(f"{history}: found the dates {list(dates)}, expected one or more in ascending order")
    name = written_name(history)
    paths = [Path(folder) / date / "dump" / name for date in dates]
    try:
        counts = _read(files, moments, paths, settings=settings, wanted={})
    except _Released as pages:
        say(f"{history}: {len(pages.wanted)} pages have revisions far out of order; reading the file again")
        counts = _read(files, moments, paths, settings=settings, wanted=pages.wanted)
    found = dict(zip(dates, counts, strict=True))
    for date, count in found.items():
        say(f"{date}: {count}")
    return found


class _Released(Exception):
    """Texts that were needed after they were released, as revision numbers by page number."""

    def __init__(self, wanted: dict[int, frozenset[int]]) -> None:
        self.wanted = wanted


def _read(
    files: Sequence[Path],
    moments: list[int],
    paths: list[Path],
    *,
    settings: HistoryConfig,
    wanted: dict[int, frozenset[int]],
) -> list[dict[str, int]]:
    """Write the dumps in one pass; the revisions in `wanted` are kept in memory."""
    counts = [{"pages": 0, **dict.fromkeys((*REASONS, "undone"), 0)} for _ in moments]
    released: dict[int, frozenset[int]] = {}
    history = files[0]
    header = dump_header(read_siteinfo(history))
    with ExitStack() as stack:
        writers = [stack.enter_context(DumpWriter(path, header)) for path in paths]
        histories = stack.enter_context(closing(_histories(files)))
        for place, revisions in enumerate(histories):
            page = _page(
                history, revisions, moments, settings=settings, wanted=wanted.get(place, frozenset())
            )
            if page.released:
                released[place] = page.released
            for choice, count, writer in zip(page.choices, counts, writers, strict=True):
                count["pages"] += 1
                count[choice.reason] += 1
                count["undone"] += choice.undone
                if choice.missing:
                    count["missing"] = count.get("missing", 0) + choice.missing
                if choice.revision is not None and not released:
                    writer.add(_written(choice.revision.page, choice.revision.number == page.newest))
        if released:
            raise _Released(released)  # the files written so far are discarded
    return counts


def _histories(files: Sequence[Path]) -> Iterator[Iterable[RawPage]]:
    """Yield the revisions of each page of a history; of several files, those of the one page that they share."""
    if len(files) == 1:
        yield from read_histories(files[0], threads=_THREADS)
    else:
        yield _one_page(files)


def _one_page(files: Sequence[Path]) -> Iterator[RawPage]:
    page_id = None
    for file in files:
        with closing(read_histories(file, threads=_THREADS)) as pages:
            for revision in chain.from_iterable(pages):
                page_id = revision.page_id if page_id is None else page_id
                if revision.page_id != page_id:
                    raise TglError(
                        f"{file}: found page {revision.page_id}, expected more revisions of page {page_id}, which "
                        f"{files[0].name} holds. Give only files of one page together."
                    )
                yield revision


def _page(
    history: Path,
    revisions: Iterable[RawPage],
    moments: list[int],
    *,
    settings: HistoryConfig,
    wanted: frozenset[int],
) -> Outcome:
    """Return the chosen revisions of one page at all moments."""
    page = PageHistory(moments, settings, wanted)
    for number, raw in enumerate(revisions):
        if number == _MOST_REVISIONS:
            raise TglError(
                f"{history}: page '{raw.title}' has more than {_MOST_REVISIONS} revisions. Expected a history of a wiki"
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
    """Return a chosen revision as it is written. The <redirect> of a history applies only to the newest revision."""
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
    """Return the start of a date YYYYMMDD in UTC, in seconds since 1970."""
    try:
        return int(datetime.strptime(date, "%Y%m%d").replace(tzinfo=UTC).timestamp())
    except ValueError:
        raise TglError(f"'{date}' is not a date; expected an existing day YYYYMMDD") from None


def _seconds(history: Path, page: RawPage) -> int:
    try:
        if not _TIMESTAMP.fullmatch(page.timestamp):  # datetime accepts other formats too
            raise ValueError
        return int(datetime.fromisoformat(page.timestamp).timestamp())
    except ValueError:
        raise TglError(
            f"{history}: page '{page.title}', revision {page.revision_id}: found the timestamp "
            f"'{page.timestamp[:40]}', expected YYYY-MM-DDThh:mm:ssZ"
        ) from None
