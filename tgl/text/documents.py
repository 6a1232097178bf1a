"""Make training documents from pages or from a diff, and determine the held-out pages."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from operator import itemgetter


def part_of(page_id: int, holdout_share: float) -> str:
    """Return 'train' or 'held_out'; the result depends only on the page id, so it is the same at every date."""
    digest = hashlib.sha1(f"holdout:{page_id}".encode()).digest()
    drawn = int.from_bytes(digest[:8], "big") / 2**64
    return "held_out" if drawn < holdout_share else "train"


def page_documents(
    pages: Iterable[Mapping], holdout_share: float, without: Callable[[str], str] = str
) -> Iterator[tuple[str, str]]:
    """Yield (part, text) for each row of the table `pages` with text.

    Args:
        pages: Rows with page_id and text.
        holdout_share: The share of held-out pages.
        without: Removes from a text what must not be trained on. Held-out pages stay unchanged.
    """
    for row in pages:
        part = part_of(row["page_id"], holdout_share)
        if text := without(row["text"]) if part == "train" else row["text"]:
            yield part, text


def diff_documents(
    diff: Iterable[Mapping], holdout_share: float, without: Callable[[str], str] = str
) -> Iterator[tuple[str, str]]:
    """Yield (part, text) for each page in rows of the table `diff`.

    The new and changed sentences of a page are joined to one document. The rows of a page must be contiguous.

    Args:
        diff: Rows with page_id and text.
        holdout_share: The share of held-out pages.
        without: Removes from a text what must not be trained on. Held-out pages stay unchanged.
    """
    for page_id, rows in groupby(diff, itemgetter("page_id")):
        part = part_of(page_id, holdout_share)
        texts = (without(row["text"]) if part == "train" else row["text"] for row in rows)
        if sentences := [text for text in texts if text]:
            yield part, " ".join(sentences)
