"""Stage `pages`: dump files of one date to the clean text of each article in a range of page ids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tgl.errors import TglError
from tgl.tables import TableWriter, read_table, write_table
from tgl.wiki.reader import RawPage, read_pages
from tgl.wiki.revisions import same_revision
from tgl.wiki.unclosed import is_too_slow
from tgl.wiki.wikitext import clean


@dataclass(frozen=True)
class Shard:
    """A range of page ids: first to last, both included; `last` None means no end."""

    first: int
    last: int | None

    def holds(self, page_id: int) -> bool:
        """Tell whether the page belongs to this shard."""
        return self.first <= page_id and (self.last is None or page_id <= self.last)


def shard_range(number: int, shards: int, pages_per_shard: int) -> Shard:
    """Return shard `number` (from 0) of `shards`; the last one has no end."""
    first = number * pages_per_shard + 1 if number else 0
    return Shard(first, None if number == shards - 1 else (number + 1) * pages_per_shard)


# Each page read is counted under exactly one of these.
REASONS = (
    "kept_parsed",
    "kept_copied",
    "other_namespace",
    "redirect",
    "other_content_model",
    "deleted_text",
    "empty_text",
    "unclosed_markup",
)


def extract_pages(
    dumps: Iterable[str | Path], output: str | Path, shard: Shard, previous: str | Path | None = None
) -> dict[str, int]:
    """Write the table `pages` of one shard and return its counts, which add up to `pages_read`.

    `previous` is the same shard's table of the date before: a page whose revision id or sha1 is the same
    there is not parsed again, its text and links are copied. Raises TglError when a page id occurs twice.
    """
    # (revision id, sha1) by page: small beside the text, which stays on disk until it is needed.
    known: dict[int, tuple[int, str, int]] = {}
    old_rows = None
    if previous is not None:
        old_rows = read_table(previous, "pages")
        columns = (old_rows[name].to_pylist() for name in ("page_id", "revision_id", "sha1"))
        known = {
            page_id: (revision, sha1, row)
            for row, (page_id, revision, sha1) in enumerate(zip(*columns, strict=True))
        }
    counts = {"pages_read": 0, **dict.fromkeys(REASONS, 0)}
    seen: set[int] = set()
    with TableWriter(output, "pages") as table:
        for page in _in_shard(dumps, shard):
            counts["pages_read"] += 1
            reason = _reason(page)
            if reason is None:
                if page.page_id in seen:
                    raise TglError(
                        f"{output}: page id {page.page_id} ('{page.title}') occurs twice in the dump files of "
                        "this date; keep one of the files"
                    )
                seen.add(page.page_id)
                revision, sha1, row = known.get(page.page_id, (None, None, None))
                if row is not None and same_revision(revision, sha1, page.revision_id, page.sha1):
                    reason = "kept_copied"
                    old = old_rows.slice(row, 1).to_pylist()[0]
                    text, links = old["text"], old["links"]
                else:
                    reason = "kept_parsed"
                    text, found = clean(page.text)
                    links = [{"target": x.target, "start": x.start, "end": x.end} for x in found]
                table.add(
                    {
                        "page_id": page.page_id,
                        "title": page.title,
                        "revision_id": page.revision_id,
                        "timestamp": page.timestamp,
                        "sha1": page.sha1,
                        "text": text,
                        "links": links,
                    }
                )
            counts[reason] += 1
        table.finish(counts)
    _sort_by_page_id(output, counts)
    return counts


def _in_shard(dumps: Iterable[str | Path], shard: Shard) -> Iterator[RawPage]:
    for dump in dumps:
        yield from (page for page in read_pages(dump) if shard.holds(page.page_id))


def _sort_by_page_id(path: str | Path, counts: dict[str, int]) -> None:
    """Put the table in order of page id, which the diff joins by; dumps are in order, hand-made exports not."""
    page_ids = read_table(path, "pages", ["page_id"])["page_id"].to_numpy()
    if (page_ids[1:] < page_ids[:-1]).any():
        write_table(read_table(path, "pages").sort_by("page_id"), path, "pages", counts)


def _reason(page: RawPage) -> str | None:
    """Return why a page is left out, or None when it is kept."""
    if page.namespace != 0:
        return "other_namespace"
    if page.is_redirect:
        return "redirect"
    if page.model != "wikitext":
        return "other_content_model"
    if page.text is None:
        return "deleted_text"
    if not page.text.strip():
        return "empty_text"
    if is_too_slow(page.text):
        return "unclosed_markup"
    return None
