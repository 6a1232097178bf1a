"""Clean text under construction: white space is folded as it is added, so that offsets of links stay true."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import NamedTuple

# White space that is not a single blank or line end; found from its first character, so in linear time.
_OTHER_SPACE = re.compile(r"[^\S \n]")
_IRREGULAR = re.compile(r"(?:[^\S \n]|[ \n](?=\s))\s*")
# Around the anchor of a link; no XML has these characters.
ANCHOR_START, ANCHOR_END = "\x01", "\x02"
_BLANK_AFTER_START = re.compile(rf"{ANCHOR_START}(\s)")
_BLANK_BEFORE_END = re.compile(rf"(\s){ANCHOR_END}")
# One with a blank at its edge, or empty; found from its rare characters, thus fast.
_LOOSE_ANCHOR = re.compile(rf"{ANCHOR_START}[\s{ANCHOR_END}]|{ANCHOR_END}(?<=\s.)")
# Where markup was dropped; no XML has this character. Parentheses around it are tidied: "( , )", "(; born", "x, )".
CUT = "\x04"
_OPENING, _CLOSING, _SEPARATORS = "(（", ")）", f" \n,;:、，；：{CUT}"
_NEAR_CUT = re.compile(rf"[ \n]?{CUT}[ \n{CUT}]*")


class Link(NamedTuple):
    """A link to the page `target` from characters [start, end) of the clean text."""

    target: str
    start: int
    end: int


class Section(NamedTuple):
    """A section's title, its level (2: ==, 3: ===) and the character of the clean text that its text starts at."""

    title: str
    level: int
    start: int


@dataclass(frozen=True)
class Keep:
    """Which parts of an article are kept besides its running text, and which are dropped.

    dropped_sections: titles, case-folded, of sections that go with all below them. dropped_links: what the wiki calls
    the namespaces of files and categories, whose links are dropped, besides the names of its language. language: the
    code of the wiki's language, which decides on template rules, names and separators of numbers.
    """

    tables: bool = False
    infoboxes: bool = False
    dropped_sections: Collection[str] = ()
    dropped_links: Collection[str] = ()
    language: str = "en"


@dataclass(frozen=True)
class Article:
    """A page's clean text, with its links and sections in order."""

    text: str
    links: list[Link] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)


class CleanText:
    """Pieces of clean text: no white space at the start, runs of blanks are one, runs with a line end a line end."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.length = 0
        self.links: list[Link] = []
        self.sections: list[Section] = []
        self._last = "\n"
        self._text_at = -1  # the last piece that holds text

    def add(self, text: str) -> None:
        """Append text."""
        self._append(_fold(text))

    def add_linked(self, text: str, targets: list[str]) -> None:
        """Append text in which the anchors of links to `targets` are between ANCHOR_START and ANCHOR_END each."""
        text = _fold(text)
        if _LOOSE_ANCHOR.search(text):
            text = _BLANK_BEFORE_END.sub(
                rf"{ANCHOR_END}\1", _BLANK_AFTER_START.sub(rf"\1{ANCHOR_START}", text)
            )
            anchors = re.split(f"[{ANCHOR_START}{ANCHOR_END}]", text)[1::2]
            targets = [target for target, anchor in zip(targets, anchors, strict=True) if anchor]
            text = _fold(text.replace(ANCHOR_START + ANCHOR_END, ""))
        pieces = text.replace(ANCHOR_END, ANCHOR_START).split(ANCHOR_START)
        text = "".join(pieces)
        self._append(text)
        end = self.length - len(text)
        for number, piece in enumerate(pieces):
            end += len(piece)
            if number % 2:
                self.links.append(Link(targets[number // 2], end - len(piece), end))

    def add_cut(self) -> None:
        """Note that markup was dropped here."""
        self.pieces.append(CUT)
        self.length += 1

    def _append(self, text: str) -> None:
        if text.startswith(CUT):
            self.add_cut()
            text = text.lstrip(CUT)
        if not text:
            return
        first = text[0]
        if first == " " or first == "\n":
            if self._last == "\n" or self._last == first:
                text = text[1:]
            elif self._last == " ":  # a blank before a line end goes
                self.pieces[self._text_at] = self.pieces[self._text_at][:-1]
                self.length -= 1
            if not text:
                return
        self._text_at = len(self.pieces)
        self.pieces.append(text)
        self.length += len(text)
        self._last = text.rstrip(CUT)[-1]

    @property
    def last(self) -> str:
        """The last character so far, a line end at the start."""
        return self._last

    @property
    def at_line_start(self) -> bool:
        """Whether what is added next begins a line."""
        return self._last == "\n"

    def add_link(self, target: str, first_piece: int) -> None:
        """Make a link of what was added since there were `first_piece` pieces; without a target there is none."""
        if not target:
            return
        added = "".join(self.pieces[first_piece:])
        if anchor := added.strip(f" \n{CUT}"):
            start = self.length - len(added) + added.index(anchor[0])
            self.links.append(Link(target, start, start + len(anchor)))

    def add_section(self, title: str, level: int) -> None:
        """Begin a section on a new line."""
        self.add("\n")
        self.sections.append(Section(title, level, self.length))

    def text(self) -> str:
        """Return the text so far, without white space around it and without marks of what was dropped."""
        whole = "".join(self.pieces)
        return _without(whole, _gaps(whole)).strip() if CUT in whole else whole.strip()

    def article(self) -> Article:
        """Return the whole, without what dropped markup has left of parentheses; sections without text go."""
        text = "".join(self.pieces).rstrip(f" \n{CUT}")
        gaps = _gaps(text)
        if not gaps:
            links = [link for link in self.links if link.end <= len(text)]
            return Article(text, links, [found for found in self.sections if found.start < len(text)])
        kept, ends, shifts, end = [], [0], [0], 0
        for gap_start, gap_end in gaps:
            kept.append(text[end:gap_start])
            end = gap_end
            ends.append(end)
            shifts.append(shifts[-1] + end - gap_start)
        whole = "".join(kept) + text[end:]
        clean = whole.strip()
        stripped = len(whole) - len(whole.lstrip())

        def moved(offset: int) -> int:
            # An offset inside a gap would lie before its start; those of links that touch one are checked below.
            return offset - shifts[bisect_right(ends, offset) - 1] - stripped

        links = []
        for link in self.links:
            if link.end <= len(text):
                start, end = moved(link.start), moved(link.end)
                if end > start and clean[start:end] == text[link.start : link.end].replace(CUT, ""):
                    links.append(Link(link.target, start, end))
        sections = [Section(found.title, found.level, max(0, moved(found.start))) for found in self.sections]
        return Article(clean, links, [found for found in sections if found.start < len(clean)])


def _gaps(text: str) -> list[tuple[int, int]]:
    """Return [start, end) of what goes: marks of dropped markup, and what is left of the parentheses around them."""
    found: list[tuple[int, int]] = []
    place = text.find(CUT)
    while place >= 0:
        # The separators around the mark; more marks can be among them.
        start, stop = place, place + 1
        while start > 0 and text[start - 1] in _SEPARATORS:
            start -= 1
        while stop < len(text) and text[stop] in _SEPARATORS:
            stop += 1
        is_opened = start > 0 and text[start - 1] in _OPENING
        is_closed = text[stop : stop + 1] in _CLOSING and stop < len(text)
        if is_opened and is_closed:
            blank = start > 1 and text[start - 2] == " "
            found.append((start - 1 - blank, stop + 1))
        elif is_opened or is_closed:
            found.append((start, stop))
        else:
            found += [(at, at + 1) for at in range(place, stop) if text[at] == CUT]
        place = text.find(CUT, stop)
    return found


def _without(text: str, gaps: list[tuple[int, int]]) -> str:
    kept, end = [], 0
    for gap_start, gap_end in gaps:
        kept.append(text[end:gap_start])
        end = gap_end
    return "".join([*kept, text[end:]])


def _fold(text: str) -> str:
    """Return text with each run of white space as one blank, or as a line end where one is in it.

    White space around a mark of dropped markup is one run, which follows the mark.
    """
    if _OTHER_SPACE.search(text):
        text = _IRREGULAR.sub(_blank, text)
    else:  # nearly always, and several times as fast
        while "  " in text:
            text = text.replace("  ", " ")
        text = text.replace(" \n", "\n").replace("\n ", "\n")
        while "\n\n" in text:
            text = text.replace("\n\n", "\n")
    return _NEAR_CUT.sub(_blank_after_cut, text) if CUT in text else text


def _blank_after_cut(match: re.Match) -> str:
    return CUT + ("\n" if "\n" in match[0] else " " if " " in match[0] else "")


def _blank(match: re.Match) -> str:
    return "\n" if "\n" in match[0] else " "
