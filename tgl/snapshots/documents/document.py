"""One document of a collection, and the number that tables identify it by."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

# Numbers below this are page ids as they are. The hashes of all other ids lie above it.
_FIRST_HASH = 1 << 62
_WHOLE = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Document:
    """A document.

    Attributes:
        identity: Its id, the same at every date.
        title: What it is about. Probes from snapshots look for this name in its sentences.
        text: The text, "" for a document without text.
    """

    identity: str
    title: str
    text: str

    @property
    def page_id(self) -> int:
        """The number that identifies the document in the table `pages` (`page_id`)."""
        return page_id(self.identity)


def page_id(identity: str) -> int:
    """Return the number of an id, the same on every machine and at every date.

    A whole number below 2^62 without leading zeros is its own number. Any other id gets a number from 2^62 to
    2^63 - 1, from the first 62 bits of its SHA-1.
    """
    if _WHOLE.fullmatch(identity) and (number := int(identity)) < _FIRST_HASH:
        return number
    digest = hashlib.sha1(identity.encode()).digest()
    return _FIRST_HASH | int.from_bytes(digest[:8], "big") >> 2


def page_row(document: Document) -> dict:
    """Return the row of the table `pages` for a document, which has no revisions, links or sections.

    The diff does not compare texts with the same SHA-1. It is that of the text, in hexadecimal digits.
    """
    return {
        "page_id": document.page_id,
        "title": document.title,
        "revision_id": 0,
        "timestamp": "",
        "sha1": hashlib.sha1(document.text.encode()).hexdigest(),
        "text": document.text,
        "links": [],
        "sections": [],
        "given_up": "",
    }
