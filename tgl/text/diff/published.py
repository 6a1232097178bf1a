"""Find changes by the rules of two publications, reimplemented from their descriptions.

Both rules compare paragraphs, and then parts of changed paragraphs, ignoring case and punctuation. `temporalwiki` (Jang
et al., "TemporalWiki", 2022) counts only text between two unchanged paragraphs. `ticwiki` (Li et al., "TiC-LM", 2025)
uses a sequence match of paragraphs, then of sentences.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import SequenceMatcher

_PUNCTUATION = re.compile(r"[^\w\s]")
Piece = tuple[int, str]  # the character at which it starts, and its text


def temporalwiki(old_text: str, new_text: str) -> Iterator[Piece]:
    """Yield (start, piece) for the text that is new by the rule of TemporalWiki; pieces end at full stops."""
    old, new = _lines(old_text), _lines(new_text)
    old_keys, new_keys = _keys(old), _keys(new)
    matched, least = [], 0
    for index, key in enumerate(old_keys):
        if key in new_keys[least:]:
            least = new_keys.index(key)  # the published rule uses the first occurrence, even an earlier one
            matched.append((index, least))
    for (old_start, new_start), (old_end, new_end) in zip(matched, matched[1:], strict=False):
        added = new[new_start + 1 : new_end]
        if not added:
            continue
        if old_start + 1 == old_end:
            yield from added
            continue
        before = [text for piece in old[old_start + 1 : old_end] for _, text in _split(piece, r"\.")]
        after = [found for piece in added for found in _split(piece, r"\.")]
        yield from _added(before, [text for _, text in after], after)


def ticwiki(old_text: str, new_text: str) -> Iterator[Piece]:
    """Yield (start, piece) for the text that is new by the rule of TiC-Wiki.

    The pieces are whole new paragraphs, and the new sentences of changed ones.
    """
    old, new = _lines(old_text), _lines(new_text)
    for tag, old_start, old_end, new_start, new_end in SequenceMatcher(
        None, _keys(old), _keys(new)
    ).get_opcodes():
        if tag == "insert":
            yield from new[new_start:new_end]
        elif tag == "replace":
            before = [found for piece in old[old_start:old_end] for found in _split(piece, r"(?<=\.)\s+")]
            after = [found for piece in new[new_start:new_end] for found in _split(piece, r"(?<=\.)\s+")]
            yield from _added(_keys(before), _keys(after), after)


def _added(before: list[str], after: list[str], pieces: list[Piece]) -> Iterator[Piece]:
    for tag, _, _, start, end in SequenceMatcher(None, before, after).get_opcodes():
        if tag in ("replace", "insert"):
            yield from pieces[start:end]


def _lines(text: str) -> list[Piece]:
    return list(_split((0, text), r"\n"))


def _split(piece: Piece, pattern: str) -> Iterator[Piece]:
    """Yield the parts of a piece between matches of a pattern, without blank parts."""
    start, text = piece
    begin = 0
    for match in [*re.finditer(pattern, text), None]:
        end = len(text) if match is None else match.start()
        part = text[begin:end]
        if part.strip():
            yield start + begin + len(part) - len(part.lstrip()), part.strip()
        begin = end if match is None else match.end()


def _keys(pieces: list[Piece]) -> list[str]:
    return [_PUNCTUATION.sub("", text).lower() for _, text in pieces]
