"""Wikitext in blocks that can be read one by one: plain lines, headings, and markup that only the tokenizer can tell.

Most lines of an article hold nothing but text, links and italics; reading those takes no tokenizer. A block ends at the
end of a line where no template, link, table or tag is open. Quotes are marked before (`quotes`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from mwparserfromhell.definitions import URI_SCHEMES

from tgl.snapshots.extract.cuts import LITERAL_TAG, NOTHING

# Groups: target and anchor of a link; anchor of an external one; a line break.
PIECE = re.compile(
    r"\[\[([^\[\]{}|<>\n]++)(?:\|([^\[\]{}<>\n]*+))?+\]\]"
    r"|\[(?i:https?|ftp)://[^\[\]{}<>\s|]++(?: ([^\[\]{}<>\n]*+))?+\]"
    r"|(<(?i:br) */?>)"
)

# An address makes a link without any bracket: behind a scheme and two slashes, or a scheme that takes none.
_SCHEMES = "".join(rf"(?<!(?i:{scheme}):)" for scheme, slashes in URI_SCHEMES.items() if not slashes)
_WORDS = rf"(?:[^\[\]{{}}<>:\n]++|:(?!//){_SCHEMES})"
_LINK = rf"\[\[[^\[\]{{}}|<>\n]++(?:\|{_WORDS}*+)?+\]\]"
_EXTERNAL = rf"\[(?i:https?|ftp)://[^\[\]{{}}<>\s|]++(?: (?!\s){_WORDS}*+)?+\]"
_INNER = rf"(?:{_WORDS}|>|{_LINK}|{_EXTERNAL}|{re.escape(NOTHING)}|<(?i:br) */?>)"
_PLAIN = re.compile(rf"(?:(?![;=]|----){_INNER}*+(?:\n|(?<!\n)\Z))++")
_HEADING = re.compile(r"(={2,6})([^=\[\]{}<>:\n]++)\1[ \t]*+(?:\n|\Z)")

_MARK = re.compile(
    r"\n|\{\{+|\}\}+|[\[\]]|^[:*#; \t]*(\{\|)|^[ \t]*(\|\})(?!\})"
    r"|<(?P<close>/?)(?P<tag>[a-z][a-z0-9]*)(?:[\s/][^<>]*?)?(?P<single>/?)>|<(?=[a-z/!])",
    re.IGNORECASE | re.MULTILINE,
)
_NEVER_CLOSED = frozenset(("br", "hr", "wbr"))


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a wikitext; of a heading the text is its title and the level is 2 or more."""

    kind: Literal["plain", "heading", "markup"]
    text: str
    level: int = 0


def blocks(wikitext: str) -> Iterator[Block]:
    """Yield the blocks of a wikitext in order. Linear in the text."""
    position, end = 0, len(wikitext)
    literal = "<!--" in wikitext or LITERAL_TAG.search(wikitext)  # brackets in there may be none
    while position < end:
        if not literal and (match := _PLAIN.match(wikitext, position)):
            yield Block("plain", match[0])
            position = match.end()
        elif not literal and (match := _HEADING.match(wikitext, position)):
            yield Block("heading", match[2], len(match[1]))
            position = match.end()
        else:
            start, position = position, end if literal else _end(wikitext, position)
            yield Block("markup", wikitext[start:position])


def _end(wikitext: str, start: int) -> int:
    """Return where the first line ends after which nothing is open; the end of all where marks do not match."""
    unclosed: list[str] = []
    for match in _MARK.finditer(wikitext, start):
        mark, tag = match[0], match["tag"]
        opened, closed = [], []
        if mark == "\n":
            if not unclosed:
                return match.end()
        elif mark[0] in "{}" and match[1] is None:
            if len(mark) % 2:  # the braces of an argument may be shared out in several ways
                break
            (opened if mark[0] == "{" else closed).extend(["{{"] * (len(mark) // 2))
        elif match[1]:
            opened.append("{|")
        elif match[2]:
            closed += [what for what in unclosed[-1:] if what == "{|"]
        elif mark in "[]":
            (opened if mark == "[" else closed).append("[")
        elif tag is None:
            break
        elif not match["single"] and tag.lower() not in _NEVER_CLOSED:
            (closed if match["close"] else opened).append(tag.lower())
        unclosed += opened
        if any(not unclosed or unclosed.pop() != what for what in closed):
            break
    return len(wikitext)
