"""Count what extraction keeps of an article and which markup it leaves, without a parser's tree.

A reference unit is a date, number, list item or link anchor that a reader sees in the running text. Comments,
references, tables, galleries, infoboxes, navigation, and the sections of references and links do not count.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from dataclasses import dataclass, field

from benchmarks.extraction_languages import LANGUAGES, Language

ENGLISH = LANGUAGES["en"]
_LINK = re.compile(r"\[\[([^\[\]|{}]+)(?:\|([^\[\]{}|]*))?\]\]")
_ITEM = re.compile(r"^([*#;:]+)[ \t]*([^*#;:\s].*)$", re.MULTILINE)
_LEFT = re.compile(
    r"\{\{|\}\}|\[\[|\]\]|\{\||\|\}|^\|-|'{2,}|</?(?:ref|div|span|br|small|sub|sup|table|tr|td|th|nowiki|gallery|math|"
    r"blockquote|center|li|ul|ol|p|b|i|u|s|font|poem|code|pre|includeonly|noinclude)\b[^<>]*>|&(?:[a-z]+|#\d+|#x[0-9a-f]+);|"
    r"^=+[^=\n]+=+\s*$|__[A-Z]+__|\b(?:thumb|upright|left|right|center|\d+px)\|",
    re.MULTILINE | re.IGNORECASE,
)


@dataclass
class Units:
    """The reference units of an article."""

    dates: Counter = field(default_factory=Counter)
    numbers: Counter = field(default_factory=Counter)
    items: list[str] = field(default_factory=list)
    anchors: Counter = field(default_factory=Counter)


def reference(wikitext: str, language: Language = ENGLISH) -> Units:
    """Return the reference units of an article, as far as single lines and regular expressions can find them."""
    text = re.sub(r"<!--.*?-->", "", wikitext, flags=re.DOTALL)
    text = re.sub(r"<ref[^<>]*/>|<ref\b[^<>]*>.*?</ref>", "", text, flags=re.DOTALL | re.IGNORECASE)
    text = re.sub(
        r"<(gallery|math|timeline|imagemap|score|syntaxhighlight|source)\b.*?</\1>",
        "",
        text,
        flags=re.S | re.I,
    )
    text = _without_end_sections(text, language)
    text = re.sub(r"^=+[^=\n].*=+[ \t]*$", "", text, flags=re.MULTILINE)  # headings are no running text
    text = _without_nested(text, "{|", "|}")
    prose = _without_nested(text, "{{", "}}")
    prose = _without_files(prose, language)
    inline = _without_files(_without_large_templates(text), language)
    units = Units()
    units.dates.update(language.dates_in_templates(inline))
    units.dates.update(language.dates_in(_plain(prose)))
    units.numbers.update(language.numbers_in(_plain(prose)))
    units.numbers.update(language.numbers_in_templates(inline))
    for marks, item in _ITEM.findall(_without_files(_without_nested(text, "{{", "}}", "\0"), language)):
        if "\0" in item:  # the visible text depends on a template
            continue
        # In a line that starts with ";", a ":" separates the term from its definition.
        words = _plain(item.split(":")[0] if marks[-1] == ";" else item).split()
        if len(words) >= 3 or len("".join(words)) >= 20:  # Japanese has no blanks between words
            units.items.append(" ".join(words[:5])[:60])
    for link in _LINK.finditer(prose):
        target, anchor = link.groups()
        # An anchor without words shows what a template writes.
        if anchor != "" and not language.elsewhere.match(target):
            units.anchors[" ".join(_plain(anchor or target.lstrip(":")).split())] += 1
    del units.anchors[""]
    return units


def kept(units: Units, text: str, language: Language = ENGLISH) -> dict[str, tuple[int, int]]:
    """Return (units found in an extractor's text, units of the reference) for each kind."""
    folded = " ".join(text.split())
    found_numbers, found_dates = Counter(language.numbers_in(text)), Counter(language.dates_in(folded))
    return {
        "dates": (_common(units.dates, found_dates), units.dates.total()),
        "numbers": (_common(units.numbers, found_numbers), units.numbers.total()),
        "list items": (sum(item in folded for item in units.items), len(units.items)),
        "link anchors": (
            sum(min(count, folded.count(anchor)) for anchor, count in units.anchors.items()),
            units.anchors.total(),
        ),
    }


def leftovers(text: str) -> int:
    """Return the number of pieces of markup in an extractor's text."""
    return len(_LEFT.findall(text))


def _common(one: Counter, other: Counter) -> int:
    return (one & other).total()


def _plain(text: str) -> str:
    text = _LINK.sub(lambda match: match[2] if match[2] is not None else match[1], text)
    text = re.sub(r"\[https?://\S+\s+([^\]]*)\]|\[?https?://[^\s\]]+\]?", r"\1", text)
    text = re.sub(r"(?<=[\w)\]])<sup>(?=[-+−–]?\d|[-−–]?[a-z]</sup>)", "^", text)  # 10^6, not 106
    text = re.sub(r"<[^<>]+>|'{2,}", "", text)
    return html.unescape(text)


def _without_nested(text: str, opening: str, closing: str, instead: str = "") -> str:
    """Return text with `instead` in place of each outermost pair of marks and its content; unclosed marks stay."""
    marks, kept_parts, depth, end = re.compile(f"{re.escape(opening)}|{re.escape(closing)}"), [], 0, 0
    for match in marks.finditer(text):
        if match[0] == opening:
            if depth == 0:
                kept_parts.append(text[end : match.start()])
                end = match.start()
            depth += 1
        elif depth:
            depth -= 1
            if depth == 0:
                kept_parts.append(instead)
                end = match.end()
    return "".join([*kept_parts, text[end:]])


def _without_large_templates(text: str) -> str:
    """Return text without templates of more than one line, such as infoboxes, navigation and side boxes."""
    kept_parts, depth, start, end = [], 0, 0, 0
    for match in re.finditer(r"\{\{|\}\}", text):
        if match[0] == "{{":
            start = match.start() if depth == 0 else start
            depth += 1
        elif depth:
            depth -= 1
            if depth == 0 and "\n" in text[start : match.end()]:
                kept_parts.append(text[end:start])
                end = match.end()
    return "".join([*kept_parts, text[end:]])


def _without_end_sections(text: str, language: Language) -> str:
    """Return text without the sections of references and links, with all below them."""
    titles = "|".join(map(re.escape, language.end_sections))
    pattern = rf"^==\s*(?:{titles})\s*==\s*$.*?(?=^==[^=]|\Z)"
    return re.sub(pattern, "", text, flags=re.MULTILINE | re.DOTALL | re.IGNORECASE)


def _without_files(text: str, language: Language) -> str:
    """Return text without files and their captions, which may contain links."""
    pieces, end = [], 0
    for match in language.opened_file.finditer(text):
        if match.start() < end:
            continue
        depth, position = 1, match.end()
        while depth and (mark := re.compile(r"\[\[|\]\]").search(text, position)):
            depth += 1 if mark[0] == "[[" else -1
            position = mark.end()
        pieces.append(text[end : match.start()])
        end = position
    return "".join([*pieces, text[end:]])
