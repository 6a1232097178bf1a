"""Parts of wikitext that are dropped whole, cut out before the tokenizer sees them: most of its work is on them.

A cut is exact where markup is well formed, and leaves to the tokenizer what is not; a test compares on real articles.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from tgl.snapshots.extract.clean_text import CUT

_RAW = (
    "ref math gallery timeline syntaxhighlight source score imagemap includeonly templatestyles mapframe maplink graph "
    "templatedata inputbox hiero categorytree indicator dynamicpagelist charinsert languages phonos"
).split()
DROPPED_TAGS = frozenset([*_RAW, "references", "style"])
# Between these nothing is markup, so nothing is cut.
_LITERAL = ("nowiki", "pre")
_RAW_OPENING = re.compile(rf"<!--|<(?P<name>{'|'.join([*_RAW, *_LITERAL])})(?=[\s/>])[^<>]*>", re.IGNORECASE)
LITERAL_TAG = re.compile(rf"<(?:{'|'.join(_LITERAL)})[\s/>]", re.IGNORECASE)
# Dropped tags behind these may leave an empty parenthesis.
_IN_PARENTHESES = tuple("(（,;:、，；：")
_TAG_END = re.compile(r"\s*+>")
_BRACES = re.compile(r"\{\{+|\}\}+")
_BRACKETS = re.compile(r"\[\[+|\]\]+")
_NAME = re.compile(r"[^{}\[\]|<>#&]*(?=[|}])")
_REST_OF_TARGET = r"[^{}\[\]|<>\n]*(?:\||\]\])"
_TABLE = re.compile(r"^(?P<indent>[:*# \t]*)\{\||^[ \t]*\|\}(?!\})", re.MULTILINE)
# Replaces what was cut: a template without meaning, so that the text next to it keeps its meaning.
NOTHING = "{{-}}"


def cut_tags(wikitext: str) -> str:
    """Return wikitext without comments, references, formulas and other tags dropped whole. Linear in the text.

    A comment that is never closed goes to the end of the text, as in MediaWiki.
    """
    return "".join(_without_tags(wikitext))


def _without_tags(wikitext: str) -> Iterator[str]:
    lower, position, kept_from = None, 0, 0
    endless: set[str] = set()
    while match := _RAW_OPENING.search(wikitext, position):
        position = match.end()
        name = (match["name"] or "").lower()
        if name and match[0].endswith("/>"):
            end = position
        else:
            if name in endless:
                continue
            lower = lower or wikitext.replace("İ", "i").lower()  # the one letter whose small one is longer
            end = _closed(lower, name, position)
            if end < 0 and not name:
                end = len(wikitext)
            elif end < 0:
                endless.add(name)
                continue
        if name not in _LITERAL:
            yield wikitext[kept_from : match.start()]
            if name and wikitext[match.start() - 1 : match.start()] in _IN_PARENTHESES:
                yield CUT
            kept_from = end
        position = end
    yield wikitext[kept_from:]


def _closed(lower: str, name: str, position: int) -> int:
    """Return where the tag, or without a name the comment, ends that is open at `position`; -1 if nowhere."""
    if not name:
        end = lower.find("-->", position)
        return end + 3 if end >= 0 else -1
    while (position := lower.find(f"</{name}", position)) >= 0:
        position += len(name) + 2
        if match := _TAG_END.match(lower, position):
            return match.end()
    return -1


def cut_templates(wikitext: str, is_kept: Callable[[str], bool]) -> str:
    """Return wikitext without the templates whose lower-case name is not kept. Linear in the text."""
    if LITERAL_TAG.search(wikitext):
        return wikitext
    open_at: list[int] = []
    found: list[tuple[int, int]] = []
    for match in _BRACES.finditer(wikitext):
        start, end = match.span()
        if (end - start) % 2:  # {{{ of an argument, }}} of a template in a brace: only the tokenizer can tell
            open_at.clear()
        elif match[0][0] == "{":
            open_at.extend(range(start, end, 2))
        else:
            for closing in range(start + 2, end + 1, 2):
                if not open_at:
                    break
                opening = open_at.pop()
                name = _NAME.match(wikitext, opening + 2)
                if name and not is_kept(" ".join(name[0].replace("_", " ").split()).lower()):
                    while found and found[-1][0] > opening:
                        found.pop()
                    found.append((opening, closing))
    return _without(wikitext, found)


def cut_links(wikitext: str, dropped: re.Pattern) -> str:
    """Return wikitext without the links whose target `dropped` matches from its start. Linear in the text."""
    if LITERAL_TAG.search(wikitext):
        return wikitext
    found: list[tuple[int, int]] = []
    end = 0
    for opening in re.finditer(rf"\[\[(?={dropped.pattern}{_REST_OF_TARGET})", wikitext, dropped.flags):
        if opening.start() < end:
            continue
        unclosed = 0
        for marks in _BRACKETS.finditer(wikitext, opening.start()):
            pairs, half = divmod(marks.end() - marks.start(), 2)
            unclosed += pairs if marks[0][0] == "[" else -pairs
            if half or unclosed <= 0:
                break
        if half:  # ]]] of a link and an address: only the tokenizer can tell
            end = marks.end()
        elif unclosed > 0:
            break
        else:
            end = marks.end() + 2 * unclosed
            found.append((opening.start(), end))
    return _without(wikitext, found)


def cut_tables(wikitext: str) -> str:
    """Return wikitext without tables. Linear in the text."""
    if LITERAL_TAG.search(wikitext):
        return wikitext
    open_at: list[int] = []
    found: list[tuple[int, int]] = []
    looked_at = 0
    for match in _TABLE.finditer(wikitext):
        if match["indent"] is not None:
            open_at.append(match.end() - 2)
        elif not open_at:  # a template opened it
            if (opening := _first_row(wikitext, match.start(), looked_at)) < match.start():
                found.append((opening, match.end()))
            looked_at = match.end()
        else:
            opening, closing = open_at.pop(), match.end()
            looked_at = closing
            if not open_at and wikitext.count("{{", opening, closing) == wikitext.count(
                "}}", opening, closing
            ):
                found.append((opening, closing))
    return _without(wikitext, found)


def _first_row(wikitext: str, closing: int, floor: int) -> int:
    """Return where the rows begin that end before `closing`: lines that begin with | or !, not before `floor`."""
    start = closing
    while start > floor:
        line = wikitext.rfind("\n", 0, start - 1) + 1
        if wikitext[line:start].lstrip(" \t")[:1] not in ("|", "!"):
            break
        start = line
    return start


def _without(wikitext: str, found: list[tuple[int, int]]) -> str:
    kept, end = [], 0
    for start, closing in found:
        kept += [wikitext[end:start], NOTHING]
        end = closing
    return "".join([*kept, wikitext[end:]])
