"""Normalise the shape of characters, so that texts that look alike compare as equal.

All quotes (Unicode property Quotation_Mark) become ' or ". Hyphens, dashes and minus signs become one hyphen. Invisible
characters (direction marks, soft hyphens, zero-width characters) are removed. Case, digits and all other punctuation
stay. The minus sign becomes the hyphen that replaces it in plain text, so that "−5" equals "-5" and not "5".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

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
_SHAPE = re.compile(f"[{''.join(map(chr, _SHAPES))}]")
_INVISIBLE = re.compile(f"[{_UNSEEN}]")
# French puts spaces inside guillemets. An opening one follows white space or a bracket, a closing one precedes them.
_INNER = re.compile(r"(?:(?<=^[«‹])|(?<=[\s(\[][«‹]))\s+|\s+(?=[»›](?:[\s.,;:!?)\]]|$))")
_GUILLEMETS = "«‹»›"


def level(text: str) -> str:
    """Return text with normalised shapes and composed characters (NFC); white space stays."""
    if text.isascii():
        return text
    if any(mark in text for mark in _GUILLEMETS):
        text = _INNER.sub("", text)
    return unicodedata.normalize("NFC", _INVISIBLE.sub("", _shaped(text)))


def level_with_places(text: str) -> tuple[str, Sequence[int]]:
    """Return normalised text without composition, and for each of its characters its position in `text`."""
    if text.isascii():
        return text, range(len(text))
    gaps = [match.span() for match in _INVISIBLE.finditer(text)]
    if any(mark in text for mark in _GUILLEMETS):
        gaps = sorted([*gaps, *(match.span() for match in _INNER.finditer(text))])
    if not gaps:
        return _shaped(text), range(len(text))
    pieces, places, end = [], [], 0
    for start, stop in [*gaps, (len(text), len(text))]:
        pieces.append(text[end:start])
        places += range(end, start)
        end = max(end, stop)
    return _shaped("".join(pieces)), places


def _shaped(text: str) -> str:
    """Return text with one shape of quotes and one of dashes. A few matches cost less than `str.translate`."""
    return _SHAPE.sub(lambda match: _SHAPES[ord(match[0])], text)
