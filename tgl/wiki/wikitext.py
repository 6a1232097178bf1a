"""Wikitext to clean text with the links' offsets, on mwparserfromhell's parse tree."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import mwparserfromhell
from mwparserfromhell.nodes import Comment, ExternalLink, Heading, HTMLEntity, Tag, Template, Text, Wikilink
from mwparserfromhell.wikicode import Wikicode

_DROPPED_TAGS = frozenset(
    "ref references table gallery math timeline syntaxhighlight source score imagemap includeonly "
    "templatestyles style".split()
)
_LINE_TAGS = frozenset("br li dd dt p div hr blockquote".split())
_MAGIC_WORD = re.compile(r"__[A-Z]+__")
_LEFTOVER_QUOTES = re.compile(r"'{2,}")
_DROPPED_LINK = re.compile(r"\s*(file|image|category|media|wikt|wiktionary|s|commons)\s*:", re.IGNORECASE)
_INTERLANGUAGE = re.compile(r"\s*[a-z]{2,3}(-[a-z]+)?\s*:")


@dataclass(frozen=True)
class Link:
    """A link to the page `target` from characters [start, end) of the clean text."""

    target: str
    start: int
    end: int


@dataclass
class CleanText:
    """Clean text under construction: white space is folded as it is added, so that offsets stay true."""

    pieces: list[str] = field(default_factory=list)
    length: int = 0
    links: list[Link] = field(default_factory=list)
    _last: str = "\n"

    def add(self, text: str) -> None:
        """Append text; runs of blanks become one space, runs of line ends one newline."""
        for run in re.findall(r"\s+|\S+", text):
            if run.isspace():
                self._space("\n" if "\n" in run else " ")
            else:
                self._push(run)

    def _space(self, kind: str) -> None:
        if self._last == "\n" or self._last == kind:
            return
        if self._last == " " and kind == "\n":
            self.pieces[-1] = "\n"  # a blank before a line end goes
            self._last = "\n"
        else:
            self._push(kind)

    def _push(self, text: str) -> None:
        self.pieces.append(text)
        self.length += len(text)
        self._last = text[-1] if text[-1].isspace() else "x"

    def add_link(self, target: str, anchor: Wikicode | str) -> None:
        """Append an anchor text and remember where it stands."""
        start, first = self.length, len(self.pieces)
        if isinstance(anchor, str):
            self.add(anchor)
        else:
            _walk(anchor, self)
        added = "".join(self.pieces[first:])
        start += len(added) - len(added.lstrip())
        if added.strip():
            self.links.append(Link(target, start, start + len(added.strip())))


def clean(wikitext: str) -> tuple[str, list[Link]]:
    """Return (text, links). References, tables, infoboxes, headings, files and categories are left out.

    Dates, units and a few inline templates keep their values; every other template is dropped. Link offsets
    are characters of the returned text.
    """
    out = CleanText()
    _walk(mwparserfromhell.parse(_MAGIC_WORD.sub("", wikitext), skip_style_tags=False), out)
    text = "".join(out.pieces)
    stripped = text.rstrip()
    return stripped, [link for link in out.links if link.end <= len(stripped)]


def _walk(code: Wikicode, out: CleanText) -> None:
    for node in code.nodes:
        if isinstance(node, Text):
            out.add(_LEFTOVER_QUOTES.sub("", str(node.value)))
        elif isinstance(node, Wikilink):
            _wikilink(node, out)
        elif isinstance(node, HTMLEntity):
            try:
                text = node.normalize()
                text.encode()
                out.add(text)
            except ValueError:
                out.add(str(node))
        elif isinstance(node, ExternalLink):
            if node.title is not None:
                _walk(node.title, out)
        elif isinstance(node, Template):
            _template(node, out)
        elif isinstance(node, Tag):
            _tag(node, out)
        elif isinstance(node, Heading):
            out.add("\n")
        elif isinstance(node, Comment):
            continue
        # Arguments ({{{1}}}) stand in template pages only and say nothing.


def _tag(node: Tag, out: CleanText) -> None:
    name = str(node.tag).strip().lower()
    if name in _DROPPED_TAGS:
        return
    if name in _LINE_TAGS:
        out.add("\n")
    if node.contents is not None and not node.self_closing:
        _walk(node.contents, out)


def _wikilink(node: Wikilink, out: CleanText) -> None:
    title = str(node.title).strip()
    if _DROPPED_LINK.match(title) or _INTERLANGUAGE.match(title):
        return
    target = title.lstrip(":").split("#")[0].replace("_", " ").strip()
    anchor = node.text if node.text is not None else title.lstrip(":")
    if not target:  # a link to a section of the same page
        out.add(str(anchor)) if isinstance(anchor, str) else _walk(anchor, out)
        return
    out.add_link(target[0].upper() + target[1:], anchor)


_MONTHS = "January February March April May June July August September October November December".split()
_DATE_TEMPLATES = frozenset(
    "start date;end date;birth date;death date;birth date and age;death date and age;start date and age;"
    "release date;film date;dob;date".split(";")
)
_TEXT_TEMPLATES = {"lang": 1, "nowrap": 0, "nobr": 0, "small": 0, "transl": 1, "abbr": 0, "val": 0, "ill": 0}


def _template(node: Template, out: CleanText) -> None:
    name = str(node.name).strip().lower().replace("_", " ")
    values = [parameter.value for parameter in node.params if not parameter.showkey]
    plain = [str(value).strip() for value in values]
    if name in ("convert", "cvt") and len(plain) >= 2:
        out.add(f"{plain[0]} {plain[1]}")
    elif name in _DATE_TEMPLATES and plain:
        out.add(_date(plain))
    elif name in _TEXT_TEMPLATES and len(values) > _TEXT_TEMPLATES[name]:
        _walk(values[_TEXT_TEMPLATES[name]], out)


def _date(parts: list[str]) -> str:
    if any(part.isdecimal() and len(part) > 9 for part in parts[:3]):
        return parts[0]
    numbers = [int(part) for part in parts[:3] if part.isdecimal()]
    if len(numbers) == 3 and 1 <= numbers[1] <= 12:
        return f"{numbers[2]} {_MONTHS[numbers[1] - 1]} {numbers[0]}"
    if len(numbers) == 2 and 1 <= numbers[1] <= 12:
        return f"{_MONTHS[numbers[1] - 1]} {numbers[0]}"
    return parts[0]
