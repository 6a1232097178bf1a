"""Which sentence names a page's subject: by its title without a parenthesis, or by a last name that is its own."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

_PARENTHESIS = re.compile(r" \([^()]*\)$")
_NAME = re.compile(r"(?:[A-Z][\w.'’-]* ){1,3}([A-Z][a-z]{3,})")
_COMMON = re.compile(r"[A-Z][a-z]{3,}")
_BEFORE = re.compile(r"([A-Z][\w.'’-]*) $")
_AFTER = re.compile(r" [A-Z]")
# What a sentence may begin with before a name, of English only.
_OPENING = frozenset(
    "A After Although An And As At Because Before But By During For From If In On Since The Though Until When While "
    "With".split()
)


def bare_title(title: str) -> str:
    """Return a title without the parenthesis that tells it from others: 'Mercury (planet)' is 'Mercury'."""
    return _PARENTHESIS.sub("", title)


def whole_words(phrase: str) -> str:
    """Return a regular expression of a phrase that is no part of longer words or numbers."""
    return rf"(?<!\w)(?<!\d[.,]){re.escape(phrase)}(?!\w|[.,]\d)"


@dataclass(frozen=True)
class Subject:
    """What a page is about: its title without a parenthesis, and the last name that also means it ('' for none)."""

    name: str
    part: str = ""

    @cached_property
    def _pattern(self) -> re.Pattern:
        name = re.escape(self.name)
        # It may be a common word, which a title begins with a capital letter.
        if _COMMON.fullmatch(self.name):
            name = f"[{self.name[0]}{self.name[0].lower()}]{self.name[1:]}"
        return re.compile(rf"(?<!\w)(?:{name}{'|' + self.part if self.part else ''})(?!\w)")

    def mention(self, text: str) -> tuple[int, int] | None:
        """Return [start, end) of the first mention in a text, None for none.

        A single word is none beside another capitalised one ("Berlin" is not what "Funkturm Berlin" is about), and no
        name is before a number ("Rocky" is not "Rocky 2").
        """
        for match in self._pattern.finditer(text):
            after = text[match.end() : match.end() + 2]
            if after[:1] == " " and after[1:].isdigit():
                continue
            if " " in match[0] or not (_AFTER.match(after) or follows_name(text, match.start())):
                return match.span()
        return None


def follows_name(text: str, end: int) -> bool:
    """Tell whether a capitalised word stands right before character `end` that does not only open a sentence."""
    before = _BEFORE.search(text, 0, end)
    return before is not None and before[1] not in _OPENING


def subject_of_page(title: str, text: str, targets: Iterable[str]) -> Subject:
    """Return the subject of a page, whose text and link targets are given.

    A last name means it too where the title is two to four capitalised words, the last one of at least four
    letters; not where the text has it as a common word, or a link leads to another name that ends in it.
    """
    bare = bare_title(title)
    name = _NAME.fullmatch(bare)
    if name is None:
        return Subject(bare)
    part = name[1]
    taken = re.search(rf"(?<!\w){part.lower()}(?!\w)", text) or any(
        target != title and bare_title(target).split()[-1:] == [part] for target in targets
    )
    return Subject(bare) if taken else Subject(bare, part)
