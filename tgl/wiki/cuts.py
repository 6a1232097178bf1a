"""Parts of wikitext that are dropped whole, cut out before the tokenizer sees them: most of its work is on them.

A cut is exact where markup is well formed, and leaves to the tokenizer what is not; a test compares on real articles.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

_RAW = "ref math gallery timeline syntaxhighlight source score imagemap includeonly templatestyles".split()
DROPPED_TAGS = frozenset([*_RAW, "references", "style"])
# Between these nothing is markup, so nothing is cut.
_LITERAL = ("nowiki", "pre")
_RAW_OPENING = re.compile(rf"<!--|<(?P<name>{'|'.join([*_RAW, *_LITERAL])})(?=[\s/>])[^<>]*>", re.IGNORECASE)
_LITERAL_TAG = re.compile(rf"<(?:{'|'.join(_LITERAL)})[\s/>]", re.IGNORECASE)
_BRACES = re.compile(r"\{\{+|\}\}+")
_NAME = re.compile(r"[^{}\[\]|<>#&]*(?=[|}])")
_TABLE = re.compile(r"^(?P<indent>[:*# \t]*)\{\||^[ \t]*\|\}(?!\})", re.MULTILINE)
# Stands for what was cut: a template that says nothing, so that what is beside it means what it meant.
_NOTHING = "{{-}}"


def cut_tags(wikitext: str) -> str:
    """Return wikitext without comments, references, formulas and other tags dropped whole. Linear in the text."""
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
            closing = f"</{name}" if name else "-->"
            if closing in endless:
                continue
            lower = lower or wikitext.lower()
            if len(lower) != len(wikitext):  # a few letters change their length: the tokenizer sees to it
                break
            end = lower.find(closing, position)
            if end >= 0 and name:
                end = wikitext.find(">", end)
            if end < 0:
                endless.add(closing)
                continue
            end += 1 if name else len(closing)
        if name not in _LITERAL:
            yield wikitext[kept_from : match.start()]
            kept_from = end
        position = end
    yield wikitext[kept_from:]


def cut_templates(wikitext: str, is_kept: Callable[[str], bool]) -> str:
    """Return wikitext without the templates whose lower-case name is not kept. Linear in the text."""
    if _LITERAL_TAG.search(wikitext):
        return wikitext
    open_at: list[int] = []
    found: list[tuple[int, int]] = []
    for match in _BRACES.finditer(wikitext):
        start, end = match.span()
        if (
            end - start
        ) % 2:  # {{{ of an argument, }}} of a template inside a brace: only the tokenizer can tell
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


def cut_tables(wikitext: str) -> str:
    """Return wikitext without tables. Linear in the text."""
    if _LITERAL_TAG.search(wikitext):
        return wikitext
    open_at: list[int] = []
    found: list[tuple[int, int]] = []
    for match in _TABLE.finditer(wikitext):
        if match["indent"] is not None:
            open_at.append(match.end() - 2)
        elif open_at:
            opening, closing = open_at.pop(), match.end()
            if not open_at and wikitext.count("{{", opening, closing) == wikitext.count(
                "}}", opening, closing
            ):
                found.append((opening, closing))
    return _without(wikitext, found)


def _without(wikitext: str, found: list[tuple[int, int]]) -> str:
    kept, end = [], 0
    for start, closing in found:
        kept += [wikitext[end:start], _NOTHING]
        end = closing
    return "".join([*kept, wikitext[end:]])
