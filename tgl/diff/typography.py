"""The shape of characters levelled: what two texts that read alike differ by, and nothing else.

Quotes are those of Unicode's property Quotation_Mark, hyphens, dashes and minus signs one character each. Marks that
are not seen (of direction, soft hyphens, zero width) vanish. Case, digits and all other punctuation stay; a minus sign
becomes the hyphen that stands for it in plain text, so that "−5" is "-5" and not "5".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_SINGLE = "\u2018\u2019\u201a\u201b\u2039\u203a\uff07\u02bc"  # and the apostrophe as a letter
_DOUBLE = (
    "\u00ab\u00bb\u201c\u201d\u201e\u201f\u2e42\u300c\u300d\u300e\u300f\u301d\u301e\u301f"
    "\ufe41\ufe42\ufe43\ufe44\uff02\uff62\uff63"
)
# Hyphens (of Hebrew too), the non-breaking hyphen, dashes of all lengths, the minus sign, their small and wide shapes.
_DASHES = "\u05be\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2e3a\u2e3b\ufe58\ufe63\uff0d"
# Soft hyphen, marks of direction and their embeddings and isolates, zero width blanks that join or part nothing seen.
_UNSEEN = "\u00ad\u061c\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
_SHAPES = (
    dict.fromkeys(map(ord, _SINGLE), "'")
    | dict.fromkeys(map(ord, _DOUBLE), '"')
    | dict.fromkeys(map(ord, _DASHES), "-")
)
_LEVELLED = _SHAPES | dict.fromkeys(map(ord, _UNSEEN), "")
# French sets its guillemets off by blanks: an opening one has white space or a bracket before it, a closing one after.
_INNER = re.compile(r"(?:(?<=^[«‹])|(?<=[\s(\[][«‹]))\s+|\s+(?=[»›](?:[\s.,;:!?)\]]|$))")


def level(text: str) -> str:
    """Return text with its shapes levelled and its characters composed (NFC); white space stays."""
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", _INNER.sub("", text).translate(_LEVELLED))


def level_with_places(text: str) -> tuple[str, Iterable[int]]:
    """Return text levelled but for its composition, and of each character of that the place it has in `text`."""
    if text.isascii():
        return text, range(len(text))
    gone = {place for match in _INNER.finditer(text) for place in range(*match.span())}
    places = [place for place, character in enumerate(text) if character not in _UNSEEN and place not in gone]
    return "".join(text[place] for place in places).translate(_SHAPES), places
