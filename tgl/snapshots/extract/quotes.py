"""Distinguish the quotes of bold and italics from apostrophes, by the rules of MediaWiki."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Stands for the quotes of bold or italics; no XML has this character. It keeps what follows from beginning a line.
STYLE = "\x03"
_PLAIN = ([2, 2], [3, 3], [2, 2, 2, 2])
_RUN = re.compile(r"'{2,}")
_LITERAL = re.compile(r"<(nowiki|pre)(?=[\s/>])[^<>]*(?<!/)>.*?</\1\s*>", re.IGNORECASE | re.DOTALL)


def mark_quotes(wikitext: str) -> str:
    """Return wikitext with STYLE in place of the quotes of bold and italics; apostrophes stay.

    Quotes are paired within a line. Of four quotes, the first is an apostrophe, and so are those before the last five
    of more. Where a line has odd numbers of both bold and italics, one ''' is an apostrophe and ''. These are the rules
    of MediaWiki's parser (doQuotes). Nothing changes inside <nowiki> and <pre>.
    """
    if "''" not in wikitext:
        return wikitext
    literal = [match.span() for match in _LITERAL.finditer(wikitext)] if "<" in wikitext else []
    runs: list[tuple[int, int]] = []
    at = 0
    for match in _RUN.finditer(wikitext):
        while at < len(literal) and literal[at][1] <= match.start():
            at += 1
        if at == len(literal) or match.start() < literal[at][0]:
            runs.append(match.span())
    pieces, end, first = [], 0, 0
    while first < len(runs):
        line_end = wikitext.find("\n", runs[first][0])
        last = first + 1
        while last < len(runs) and (line_end < 0 or runs[last][0] < line_end):
            last += 1
        line = runs[first:last]
        lengths = [stop - start for start, stop in line]
        if lengths in _PLAIN:  # most lines have one word in bold or italics
            for start, stop in line:
                pieces += [wikitext[end:start], STYLE]
                end = stop
        else:
            for (start, stop), apostrophes in zip(line, _apostrophes(wikitext, line), strict=True):
                pieces += [wikitext[end:start], "'" * apostrophes, STYLE]
                end = stop
        first = last
    return "".join([*pieces, wikitext[end:]])


def _apostrophes(wikitext: str, line: Sequence[tuple[int, int]]) -> list[int]:
    """Return how many apostrophes precede the marks of each run of quotes in a line."""
    lengths = [stop - start for start, stop in line]
    found = [1 if length == 4 else max(0, length - 5) for length in lengths]
    marks = [length - extra for length, extra in zip(lengths, found, strict=True)]
    bold, italic = sum(mark in (3, 5) for mark in marks), sum(mark in (2, 5) for mark in marks)
    if bold % 2 and italic % 2:
        found[_split(wikitext, line, marks)] += 1
    return found


def _split(wikitext: str, line: Sequence[tuple[int, int]], marks: Sequence[int]) -> int:
    """Return the run whose ''' is an apostrophe and '': after a word of one letter, of several letters, or a blank."""
    choices: dict[int, int] = {}
    for number, (start, _) in enumerate(line):
        if marks[number] == 3:
            before = wikitext[max(0, start - 2) : start].rjust(2)
            rank = 2 if before[1] == " " else 0 if before[0] == " " else 1
            choices.setdefault(rank, number)
    return choices[min(choices)] if choices else marks.index(5)
