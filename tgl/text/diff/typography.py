"""Normalise the shape of characters, so that texts that look alike compare as equal.

All quotes (Unicode property Quotation_Mark) become ' or ". Hyphens, dashes and minus signs become one hyphen. Invisible
characters (direction marks, soft hyphens, zero-width characters) are removed. Case, digits and all other punctuation
stay. The minus sign becomes the hyphen that replaces it in plain text, so that "−5" equals "-5" and not "5".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_SINGLE = "\u2018\u2019\u201a\u201b\u2039\u203a\uff07\u02bc"  # includes the letter apostrophe
_DOUBLE = (
    "\u00ab\u00bb\u201c\u201d\u201e\u201f\u2e42\u300c\u300d\u300e\u300f\u301d\u301e\u301f"
    "\ufe41\ufe42\ufe43\ufe44\uff02\uff62\uff63"
)
# Hyphens (also Hebrew), the non-breaking hyphen, dashes, the minus sign, and their small and wide forms.
_DASHES = "\u05be\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2e3a\u2e3b\ufe58\ufe63\uff0d"
# The soft hyphen, direction marks with their embeddings and isolates, and zero-width characters.
_UNSEEN = "\u00ad\u061c\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
_SHAPES = (
    dict.fromkeys(map(ord, _SINGLE), "'")
    | dict.fromkeys(map(ord, _DOUBLE), '"')
    | dict.fromkeys(map(ord, _DASHES), "-")
)
_LEVELLED = _SHAPES | dict.fromkeys(map(ord, _UNSEEN), "")
# French puts spaces inside guillemets. An opening one follows white space or a bracket, a closing one precedes them.
_INNER = re.compile(r"(?:(?<=^[«‹])|(?<=[\s(\[][«‹]))\s+|\s+(?=[»›](?:[\s.,;:!?)\]]|$))")


def level(text: str) -> str:
    """Return text with normalised shapes and composed characters (NFC); white space stays."""
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", _INNER.sub("", text).translate(_LEVELLED))


def level_with_places(text: str) -> tuple[str, Iterable[int]]:
    """Return normalised text without composition, and for each of its characters its position in `text`."""
    if text.isascii():
        return text, range(len(text))
    gone = {place for match in _INNER.finditer(text) for place in range(*match.span())}
    places = [place for place, character in enumerate(text) if character not in _UNSEEN and place not in gone]
    return "".join(text[place] for place in places).translate(_SHAPES), places
