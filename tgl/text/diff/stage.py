"""Stage `diff`: join two tables `pages` by page id, and write the new and changed sentences."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path

from tgl.core.errors import TglError
from tgl.core.files import how_to_mend
from tgl.core.languages import is_known_language
from tgl.core.progress import track
from tgl.core.tables.read import check_table, iter_rows, read_about
from tgl.core.tables.write import TableWriter
from tgl.snapshots.dumps.revisions import same_revision
from tgl.text.diff.published import temporalwiki, ticwiki
from tgl.text.diff.sentences import new_sentences, split_sentences

_RULES = {
    "tgl": new_sentences,
    "temporalwiki": lambda old, new, language: temporalwiki(old, new),
    "ticwiki": lambda old, new, language: ticwiki(old, new),
}
_NORWEGIAN = {"nb": "no", "nn": "no"}
COLUMNS = ["page_id", "title", "revision_id", "sha1", "text", "sections"]
PAGE_COUNTS = ("new_page", "changed", "same_revision", "same_text", "missing_before")


def diff_pages(
    old: str | Path, new: str | Path, output: str | Path, *, language: str, rule: str = "tgl"
) -> dict[str, int]:
    """Write the table `diff` of the new and changed sentences.

    All sentences of a new page count. In a changed page the rule decides: `tgl` selects the sentences that the old
    page's multiset lacks, the others are those of `published`.

    Pages are identified by their id. A moved page keeps its id. A page that was merged into another one or deleted is
    gone. A page that was restored under a new id is new. Deleted pages and sentences do not count. If revision id or
    SHA-1 are equal, the page is unchanged and its text is not compared. A page whose text failed to load at one date is
    neither new (`missing_before`) nor deleted (`missing_after`).

    Both tables must be sorted by page id, as the stage `pages` writes them. Memory does not grow with their size.

    Args:
        old: The table of the earlier date.
        new: The table of the later date.
        output: The table to write.
        language: The language code for sentence splitting.
        rule: The rule, 'tgl', 'temporalwiki' or 'ticwiki'.

    Returns:
        The counts. Those in PAGE_COUNTS add up to `pages`.

    Raises:
        TglError: A table cannot be read, or its wiki has another language.
    """
    compare = _RULES[rule]
    for pages in (old, new):
        _check_language(pages, language)
    counts = {"pages": 0, **dict.fromkeys(PAGE_COUNTS, 0), "deleted": 0, "missing_after": 0, "moved": 0}
    missing_before, missing_after = _missing(old), _missing(new)
    counts |= {"new_page_sentences": 0, "changed_sentences": 0}
    shown = track(page_rows(new, COLUMNS), "diff", "pages", total=check_table(new, "pages"))
    with TableWriter(output, "diff") as table:
        for before, after in joined(page_rows(old, COLUMNS), shown):
            if after is None:
                counts["missing_after" if before["page_id"] in missing_after else "deleted"] += 1
                continue
            counts["pages"] += 1
            if before is None and after["page_id"] in missing_before:
                counts["missing_before"] += 1
                continue
            counts["moved"] += before is not None and before["title"] != after["title"]
            if before is None:
                kind = "new_page"
                found = list(split_sentences(after["text"], language))
            elif same_revision(
                before["revision_id"], before["sha1"], after["revision_id"], new_sha1=after["sha1"]
            ):
                counts["same_revision"] += 1
                continue
            else:
                found = list(compare(before["text"], after["text"], language))
                kind = "changed"
                if not found:
                    counts["same_text"] += 1
                    continue
            counts[kind] += 1
            counts[f"{kind}_sentences"] += len(found)
            starts = [section["start"] for section in after["sections"]]
            for start, sentence in found:
                section = bisect_right(starts, start) - 1
                table.add(
                    {
                        "page_id": after["page_id"],
                        "title": after["title"],
                        "revision_id": after["revision_id"],
                        "kind": kind,
                        "start": start,
                        "section": after["sections"][section]["title"] if section >= 0 else "",
                        "text": sentence,
                    }
                )
        table.finish(counts)
    return counts


def _check_language(pages: str | Path, language: str) -> None:
    """Raise TglError if a table is of a wiki in another language than the one whose rules split sentences."""
    wiki = read_about(pages).get("wiki") if Path(pages).is_file() else None
    found = wiki.get("language", "") if isinstance(wiki, dict) else ""
    main, asked = (code.partition("-")[0].lower() for code in (found, language))
    # A dump may name none, or anything.
    if is_known_language(main) and _NORWEGIAN.get(main, main) != _NORWEGIAN.get(asked, asked):
        raise TglError(
            f"{pages}: the wiki is in the language '{found}', and sentences would be split by the rules of "
            f"'{language}'. Set text.language to {found}"
        )


def _missing(pages: str | Path) -> frozenset[int]:
    """Return the ids of the pages that a table lacks because their texts failed to load."""
    # The reader of the rows reports a missing file.
    found = read_about(pages).get("missing_text", []) if Path(pages).is_file() else []
    if not isinstance(found, list) or not all(type(number) is int for number in found):
        raise TglError(
            f"{pages}: found missing_text {str(found)[:60]} in its metadata, expected a list of page ids. "
            f"{how_to_mend(pages)}"
        )
    return frozenset(found)


def page_rows(path: str | Path, columns: list[str]) -> Iterator[dict]:
    """Yield the rows of a table `pages`; the columns must include page_id.

    Raises:
        TglError: The page ids are not in ascending order.
    """
    last = -1
    for row in iter_rows(path, "pages", columns):
        if row["page_id"] <= last:
            raise TglError(
                f"{path}: found page id {row['page_id']} after {last}, expected ascending page ids"
            )
        last = row["page_id"]
        yield row


def joined(old: Iterator[dict], new: Iterator[dict]) -> Iterator[tuple[dict | None, dict | None]]:
    """Yield (old row, new row) by page id, with None where one side lacks the page."""
    before, after = next(old, None), next(new, None)
    while before is not None or after is not None:
        if after is None or (before is not None and before["page_id"] < after["page_id"]):
            yield before, None
            before = next(old, None)
        elif before is None or after["page_id"] < before["page_id"]:
            yield None, after
            after = next(new, None)
        else:
            yield before, after
            before, after = next(old, None), next(new, None)
