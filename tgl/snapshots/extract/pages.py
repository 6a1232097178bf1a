"""Stage `pages`: dump files of one date to the clean text of each article in a range of page ids."""

from __future__ import annotations

import dataclasses
import json
from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow.json import ParseOptions, ReadOptions, read_json

from tgl.core.errors import TglError
from tgl.core.progress import bar
from tgl.core.schemas import SCHEMAS
from tgl.core.tables.read import read_about, read_table
from tgl.core.tables.write import TableWriter, write_table
from tgl.snapshots.dumps.reader import RawPage, read_pages
from tgl.snapshots.dumps.siteinfo import Siteinfo, read_siteinfo
from tgl.snapshots.extract.clean_text import Keep
from tgl.snapshots.extract.cleaning import CleaningJob, CleaningResult, Limits, clean_all
from tgl.snapshots.extract.previous import Previous
from tgl.snapshots.extract.settings import PagesConfig
from tgl.snapshots.extract.wiki_names import wiki_names


@dataclass(frozen=True)
class Shard:
    """A range of page ids: first to last, both included; `last` None means no end."""

    first: int
    last: int | None


def shard_range(number: int, shards: int, pages_per_shard: int) -> Shard:
    """Return shard `number` (from 0) of `shards`; the last one has no end. Raises TglError for a number of no shard."""
    if not 0 <= number < shards:
        raise TglError(f"shard {number} found, 0 to {shards - 1} expected (pages.shards is {shards})")
    first = number * pages_per_shard + 1 if number else 0
    return Shard(first, None if number == shards - 1 else (number + 1) * pages_per_shard)


# So many pages, and all of them, crash the parser only if something other than the pages is wrong.
_CRASHES_OF_A_FAULT = 10
# What is written together, at most: rows, and bytes of those that are not copied.
_GROUP, _GROUP_BYTES = 1000, 1 << 20
# Columns made of a page's text, and those of its revision.
_TEXT = pa.schema([SCHEMAS["pages"].field(name) for name in ("text", "links", "sections", "given_up")])
_REVISION = pa.schema([field for field in SCHEMAS["pages"] if field.name not in _TEXT.names])

# Each page read is counted under exactly one of these.
REASONS = (
    "kept_parsed",
    "kept_simplified",
    "kept_copied",
    "kept_earlier",
    "other_namespace",
    "redirect",
    "other_content_model",
    "deleted_text",
    "missing_text",
    "empty_text",
)


def extract_pages(
    dumps: Iterable[str | Path],
    output: str | Path,
    shard: Shard,
    *,
    previous: str | Path | None = None,
    settings: PagesConfig | None = None,
    processes: int = 1,
    say: Callable[[str], None] = print,
) -> dict[str, int]:
    """Write the table `pages` of one shard and return its counts, which add up to `pages_read`.

    `previous` is the same shard's table of the date before: a page whose revision id or sha1 is the same
    there is not parsed again, its text, links and sections are copied. A page whose text failed to load keeps the
    revision of the date before (`kept_earlier`), or is left out where there is none (`missing_text`). A page that takes
    the parser too much is logged and cleaned simply. Memory holds a few pages a process, and of each page of the shard
    two numbers. The table's metadata say which wiki the first dump file is of, and the ids of `missing_text`. Raises
    TglError when a page id occurs twice, and as `clean_all` and `read_pages`.
    """
    settings, dumps = settings or PagesConfig(), list(dumps)
    site = _wiki_of(dumps, previous)
    old = None if previous is None else Previous(previous, _TEXT.names)
    counts = {"pages_read": 0, **dict.fromkeys(REASONS, 0)}
    sections = settings.drop_sections
    if sections is None:
        sections = wiki_names(site.main_language).end_sections
    dropped = frozenset(map(str.casefold, sections))
    keep = Keep(settings.tables, settings.infoboxes, dropped, site.dropped_links, site.main_language)
    limits = Limits(settings.page_seconds, settings.page_memory_mb)
    written = array("q")  # page ids; a list or a set of millions would take much memory
    about: dict = {"wiki": site.wiki, "kept": _what_is_kept(settings, sections)}
    if previous is not None:
        _check_kept(previous, about["kept"])
    crashed = 0
    with TableWriter(output, "pages") as table:
        pages = _kept(dumps, shard, old, counts=counts, about=about)
        with closing(clean_all(pages, keep, limits, processes=processes, name=_name)) as cleaned:
            for group in _groups(cleaned):
                for result in group:
                    written.append(result.page.revision.page_id)
                    if (found := result.cleaned) is not None:
                        counts["kept_simplified" if found.given_up else "kept_parsed"] += 1
                        crashed += found.given_up == "crashed"
                        if found.given_up:
                            say(f"{_name(result.page)}: cleaned simply ({found.given_up})")
                table.add_table(_rows(group, old))
        _refuse_twice(written, output)
        if crashed >= _CRASHES_OF_A_FAULT and crashed == counts["kept_parsed"] + counts["kept_simplified"]:
            raise TglError(
                f"{output}: all {crashed} pages crashed the parser, expected a few at most. This is a fault of the "
                "installation or of tgl, not of the pages: install the package again, or report it"
            )
        if not counts["pages_read"] and shard == Shard(0, None):
            raise TglError(
                f"{output}: no page in {', '.join(map(str, dumps))} found, a dump with pages expected"
            )
        table.finish(counts, about)
    if not _rises(written):  # dumps are in order of page id, which the diff joins by, hand-made exports not
        write_table(
            read_table(output, "pages").sort_by("page_id"), output, "pages", counts=counts, about=about
        )
    return counts


def _wiki_of(dumps: list[str | Path], previous: str | Path | None) -> Siteinfo:
    """Return the head of the first dump file; raise TglError where another, or `previous`, is of another wiki."""
    site = read_siteinfo(dumps[0]) if dumps else Siteinfo()
    others = {dump: read_siteinfo(dump).dbname for dump in dumps[1:]}
    if previous is not None:
        read_table(previous, "pages", ["page_id"])  # refuses a missing file
        about = read_about(previous).get("wiki")
        others[previous] = about.get("dbname", "") if isinstance(about, dict) else ""
    for path, name in others.items():
        if name and site.dbname and name != site.dbname:
            raise TglError(
                f"{path}: of the wiki '{name}', but {dumps[0]} is of '{site.dbname}'; files of one wiki expected. Give "
                "those of one wiki."
            )
    return site


def _what_is_kept(settings: PagesConfig, sections: Iterable[str]) -> dict:
    return {"tables": settings.tables, "infoboxes": settings.infoboxes, "drop_sections": sorted(sections)}


def _check_kept(previous: str | Path, kept: dict) -> None:
    """Raise TglError if `previous` kept other parts of a page: copied and new texts would differ."""
    found = read_about(previous).get("kept", kept)
    if found != kept:
        changed = [name for name in kept if found.get(name) != kept[name]]
        raise TglError(
            f"{previous}: was extracted with other settings of {', '.join(changed)}, expected the same, because the "
            "texts of unchanged pages are copied from it. Extract it again, or leave out --previous"
        )


@dataclass(frozen=True, slots=True)
class _KeptPage:
    """A page of the table: its revision without the wikitext, and the row of `previous` to copy the text from."""

    revision: RawPage
    copied_row: int | None = None


_Result = CleaningResult[_KeptPage]  # either `copied_row` or `cleaned` is None


def _groups(results: Iterable[_Result]) -> Iterator[list[_Result]]:
    """Yield pages in groups that are written together: so many, or less where they are long."""
    group: list[_Result] = []
    size = 0
    for result in results:
        group.append(result)
        size += 0 if result.cleaned is None else len(result.cleaned.row)
        if len(group) == _GROUP or size > _GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _rows(group: list[_Result], old: Previous | None) -> pa.Table:
    """Return the rows of some pages: texts that are copied as Arrow has them, and those just cleaned."""
    copied = [at for at, result in enumerate(group) if result.page.copied_row is not None]
    copied.sort(key=lambda at: group[at].page.copied_row)  # the order in which they are read
    parsed = [at for at, result in enumerate(group) if result.cleaned is not None]
    texts = _from_json([group[at].cleaned.row for at in parsed], _TEXT)
    if copied:
        texts = pa.concat_tables([old.texts.take([group[at].page.copied_row for at in copied]), texts])
        texts = texts.take(np.argsort(copied + parsed))
    revisions = _from_json([_revision(result.page.revision) for result in group], _REVISION)
    return pa.table([*revisions.columns, *texts.columns], schema=SCHEMAS["pages"])


def _name(page: _KeptPage) -> str:
    return f"page {page.revision.page_id} ({page.revision.title!r})"


def _revision(page: RawPage) -> bytes:
    return json.dumps({name: getattr(page, name) for name in _REVISION.names}).encode("ascii") + b"\n"


def _from_json(lines: list[bytes], schema: pa.Schema) -> pa.Table:
    """Return lines of JSON as a table. Arrow reads them itself: by way of Python's objects it takes twice as long."""
    if not lines:
        return schema.empty_table()
    data = b"".join(lines)
    return read_json(
        pa.BufferReader(data),
        ReadOptions(use_threads=False, block_size=len(data) + 1),
        ParseOptions(explicit_schema=schema, unexpected_field_behavior="error"),
    )


def _kept(
    dumps: Iterable[str | Path],
    shard: Shard,
    old: Previous | None,
    *,
    counts: dict[str, int],
    about: dict,
) -> Iterator[CleaningJob[_KeptPage]]:
    """Yield each page of the table with the wikitext to clean, or with the row to copy. Count what is left out.

    The ids of pages whose text is missing, and was at the date before, are added to about["missing_text"].
    """
    for page in _pages(dumps, shard, has_earlier=old is not None):
        counts["pages_read"] += 1
        reason = _reason(page)
        if reason == "missing_text":
            if old is not None and (row := old.row(page.page_id)) is not None:
                counts["kept_earlier"] += 1
                yield CleaningJob(_KeptPage(old.with_revision(page, row), row), None)
                continue
            about.setdefault(reason, []).append(page.page_id)
        if reason:
            counts[reason] += 1
        elif old is not None and (row := old.row_of(page)) is not None:
            counts["kept_copied"] += 1
            yield CleaningJob(_KeptPage(dataclasses.replace(page, text=None), row), None)
        else:
            yield CleaningJob(_KeptPage(dataclasses.replace(page, text=None)), page.text, page.title)


def _pages(dumps: Iterable[str | Path], shard: Shard, *, has_earlier: bool) -> Iterator[RawPage]:
    """Yield the pages of the dump files, and show how much of each file is read."""
    for dump in dumps:
        with bar(f"pages of {Path(dump).name}", "KiB") as progress:
            yield from read_pages(
                dump,
                shard.first,
                shard.last,
                has_earlier=has_earlier,
                read=lambda done, total, shown=progress: shown.update(done >> 10, total >> 10),
            )


def _refuse_twice(page_ids: array, output: str | Path) -> None:
    ids, times = np.unique(np.frombuffer(page_ids, dtype=np.int64), return_counts=True)
    if (twice := ids[times > 1]).size:
        raise TglError(
            f"{output}: {twice.size} page ids occur more than once in the dump files of this date, the first is "
            f"{twice[0]}; keep one of the files"
        )


def _rises(page_ids: array) -> bool:
    ids = np.frombuffer(page_ids, dtype=np.int64)
    return bool((ids[1:] > ids[:-1]).all())


def _reason(page: RawPage) -> str | None:
    """Return why a page is left out, or None when it is kept."""
    if page.namespace != 0:
        return "other_namespace"
    if page.is_redirect:
        return "redirect"
    if page.model != "wikitext":
        return "other_content_model"
    if page.missing:
        return "missing_text"
    if page.text is None:
        return "deleted_text"
    if not page.text.strip():
        return "empty_text"
    return None
