"""Find the sentences that mention the subject of a page.

A mention is the title without its parenthesis, or a last name that only the subject has.
"""

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
# Words at the start of a sentence that are capitalised but belong to no name (English only).
_OPENING = frozenset(
    "A About After Although An And Around As At Because Before Between But By During For From If In On Since The "
    "Though Until When While With".split()
)


def bare_title(title: str) -> str:
    """Return a title without its disambiguating parenthesis: 'Mercury (planet)' becomes 'Mercury'."""
    return _PARENTHESIS.sub("", title)


def whole_words(phrase: str) -> str:
    """Return a regular expression that matches a phrase as whole words and numbers."""
    return rf"(?<!\w)(?<!\d[.,]){re.escape(phrase)}(?!\w|[.,]\d)"


@dataclass(frozen=True)
class Subject:
    """The subject of a page.

    Attributes:
        name: The title without a parenthesis.
        part: A last name that also identifies the subject, or '' for none.
    """

    name: str
    part: str = ""

    @cached_property
    def _pattern(self) -> re.Pattern:
        name = re.escape(self.name)
        # A common word is capitalised as a title but not inside a sentence.
        if _COMMON.fullmatch(self.name):
            name = f"[{self.name[0]}{self.name[0].lower()}]{self.name[1:]}"
        return re.compile(rf"(?<!\w)(?:{name}{'|' + self.part if self.part else ''})(?!\w)")

    def mention(self, text: str) -> tuple[int, int] | None:
        """Return [start, end) of the first mention in a text, or None.

        A single word next to another capitalised word is not a mention ("Berlin" in "Funkturm Berlin"). Neither is a
        name before a number ("Rocky" in "Rocky 2").
        """
        for match in self._pattern.finditer(text):
            after = text[match.end() : match.end() + 2]
            if after[:1] == " " and after[1:].isdigit():
                continue
            if " " in match[0] or not (_AFTER.match(after) or follows_name(text, match.start())):
                return match.span()
        return None


def follows_name(text: str, end: int) -> bool:
    """Return whether a capitalised word that belongs to a name is directly before character `end`."""
    before = _BEFORE.search(text, 0, end)
    return before is not None and before[1] not in _OPENING


def subject_of_page(title: str, text: str, targets: Iterable[str]) -> Subject:
    """Return the subject of a page.

    A last name also identifies the subject if the title consists of two to four capitalised words, the last one of at
    least four letters. It does not if the text uses it as a common word or if a link leads to another name that ends in
    it.

    Args:
        title: The title of the page.
        text: The text of the page.
        targets: The link targets of the page.
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
