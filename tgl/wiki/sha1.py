"""The `<sha1>` of a revision: SHA-1 of its UTF-8 text in base 36, 31 digits."""

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
