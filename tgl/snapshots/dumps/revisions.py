"""Compute the `<sha1>` of revisions (SHA-1 of the UTF-8 text in base 36, 31 digits), and compare revisions."""

from __future__ import annotations

import hashlib

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def revision_sha1(text: str) -> str:
    """Return the base-36 SHA-1 of a revision's wikitext, as MediaWiki writes it."""
    number = int.from_bytes(hashlib.sha1(text.encode()).digest(), "big")
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits.rjust(31, "0")


def same_revision(old_id: int, old_sha1: str, new_id: int, *, new_sha1: str) -> bool:
    """Return whether two revisions have the same text: equal ids, or equal SHA-1 if the export has it."""
    return (new_id != 0 and old_id == new_id) or (new_sha1 != "" and old_sha1 == new_sha1)
