"""Count what extraction keeps of an article and which markup it leaves, without a parser's tree.

A reference unit is a date, number, list item or link anchor that a reader sees in the running text. Comments,
references, tables, galleries, infoboxes, navigation, and the sections of references and links do not count.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

MONTHS = "January February March April May June July August September October November December".split()
_MONTH = "|".join(MONTHS)
_DATE = re.compile(rf"\b(?:\d{{1,2}} (?:{_MONTH}) \d{{4}}|(?:{_MONTH}) \d{{1,2}}, \d{{4}})\b")
_NUMBER = re.compile(r"(?<![\w.,])\d[\d.,]*\d(?![\w])")
_DATE_TEMPLATE = re.compile(
    r"\{\{\s*(?:start date|end date|birth date|death date|birth date and age|death date and age|start date and age|"
    r"film date|release date)\s*\|(?:\s*(?:df|mf)\s*=\s*\w+\s*\|)?\s*(\d{4})\s*\|\s*(\d{1,2})\s*\|\s*(\d{1,2})\s*[|}]",
    re.IGNORECASE,
)
_NUMBER_TEMPLATE = re.compile(
    r"\{\{\s*(?:convert|cvt|val|nts|US\$|£|€|frac|nowrap)\s*\|\s*(?:US\$|£|€|\$)?(\d[\d.,]*\d)\s*[|}]|"
    r"\{\{\s*formatnum\s*:\s*(\d[\d.,]*\d)\s*\}\}",
    re.IGNORECASE,
)
_LINK = re.compile(r"\[\[([^\[\]|{}]+)(?:\|([^\[\]{}|]*))?\]\]")
_ELSEWHERE = re.compile(
    r"\s*:?\s*(?:file|image|category|media|wikt|wiktionary|s|commons|[a-z]{2,3}(?:-[a-z]+)?)\s*:", re.I
)
_ITEM = re.compile(r"^([*#;:]+)[ \t]*([^*#;:\s].*)$", re.MULTILINE)
_END_SECTION = re.compile(
    r"^==\s*(?:See also|References|Notes|Footnotes|Citations|Notes and references|Further reading|External links)"
    r"\s*==\s*$.*?(?=^==[^=]|\Z)",
    re.MULTILINE | re.DOTALL | re.IGNORECASE,
)
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


def reference(wikitext: str) -> Units:
    """Return the reference units of an article, as far as single lines and regular expressions can find them."""
    text = re.sub(r"<!--.*?-->", "", wikitext, flags=re.DOTALL)
    text = re.sub(r"<ref[^<>]*/>|<ref\b[^<>]*>.*?</ref>", "", text, flags=re.DOTALL | re.IGNORECASE)
    text = re.sub(
        r"<(gallery|math|timeline|imagemap|score|syntaxhighlight|source)\b.*?</\1>",
        "",
        text,
        flags=re.S | re.I,
    )
    text = _END_SECTION.sub("", text)
    text = _without_nested(text, "{|", "|}")
    prose = _without_nested(text, "{{", "}}")
    prose = _without_files(prose)
    inline = _without_files(_without_large_templates(text))
    units = Units()
    for year, month, day in _DATE_TEMPLATE.findall(inline):
        if 1 <= int(month) <= 12:
            units.dates[(int(year), int(month), int(day))] += 1
    units.dates.update(_dates(_plain(prose)))
    units.numbers.update(_NUMBER.findall(_plain(prose)))
    units.numbers.update(one or two for one, two in _NUMBER_TEMPLATE.findall(inline))
    for marks, item in _ITEM.findall(_without_files(_without_nested(text, "{{", "}}", "\0"))):
        if "\0" in item:  # the visible text depends on a template
            continue
        # In a line that starts with ";", a ":" separates the term from its definition.
        words = _plain(item.split(":")[0] if marks[-1] == ";" else item).split()
        if len(words) >= 3:
            units.items.append(" ".join(words[:5]))
    for target, anchor in _LINK.findall(prose):
        if not _ELSEWHERE.match(target):
            units.anchors[" ".join(_plain(anchor or target.lstrip(":")).split())] += 1
    del units.anchors[""]
    return units


def kept(units: Units, text: str) -> dict[str, tuple[int, int]]:
    """Return (units found in an extractor's text, units of the reference) for each kind."""
    folded = " ".join(text.split())
    found_numbers, found_dates = Counter(_NUMBER.findall(folded)), Counter(_dates(folded))
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


def _dates(text: str) -> list[tuple[int, int, int]]:
    found = []
    for date in _DATE.findall(text):
        words = date.replace(",", "").split()
        day, month = (words[0], words[1]) if words[0].isdecimal() else (words[1], words[0])
        found.append((int(words[2]), MONTHS.index(month) + 1, int(day)))
    return found


def _plain(text: str) -> str:
    text = _LINK.sub(lambda match: match[2] if match[2] is not None else match[1], text)
    text = re.sub(r"\[https?://\S+\s+([^\]]*)\]|\[?https?://[^\s\]]+\]?", r"\1", text)
    text = re.sub(r"(?<=[\w)\]])<sup>(?=[-+−–]?\d|[-−–]?[a-z]</sup>)", "^", text)  # 10^6, not 106
    text = re.sub(r"<[^<>]+>|'{2,}", "", text)
    return text.replace("&nbsp;", " ").replace("&ndash;", "–").replace("&mdash;", "—")


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


def _without_files(text: str) -> str:
    """Return text without files and their captions, which may contain links."""
    pieces, end = [], 0
    for match in re.finditer(r"\[\[\s*(?:file|image)\s*:", text, re.IGNORECASE):
        if match.start() < end:
            continue
        depth, position = 1, match.end()
        while depth and (mark := re.compile(r"\[\[|\]\]").search(text, position)):
            depth += 1 if mark[0] == "[[" else -1
            position = mark.end()
        pieces.append(text[end : match.start()])
        end = position
    return "".join([*pieces, text[end:]])
