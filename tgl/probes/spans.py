"""Find the values of a text that may change: link targets, numbers and dates."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from tgl.probes.from_text.mentions import follows_name, whole_words
from tgl.text.diff.sentences import sentence_key

MOST_WORDS = 5
MOST_CHARACTERS = 60
# English words that say nothing about a relation.
_GRAMMAR = frozenset(
    """about after all also and are around been before but for from had has have her his into its more most not now one
    only other over she some than that the their them then there they this two under was were when which who will with
    """.split()
)
# Names whose similarity ratio is at least this are treated as spellings of the same name.
_ALIKE = 0.6

_MONTH = "(?:January|February|March|April|May|June|July|August|September|October|November|December)"  # English only
_DATE = rf"(?:\d{{1,2}} {_MONTH}(?: \d{{4}})?|{_MONTH} \d{{1,2}}(?:, \d{{4}})?|{_MONTH} \d{{4}})"
_AMOUNT = r"[$€£¥]?\d+(?:[.,]\d+)*"
_NUMBER = re.compile(
    rf"(?<![\w.,$€£¥-])(?:{_DATE}|{_AMOUNT}(?:[-–]{_AMOUNT})?(?: (?:thousand|million|billion|trillion)| ?%)?)"
    r"(?!\w|[.,]\d|-\w)"
)


@dataclass(frozen=True)
class Value:
    """A link (with its target) or a number at characters [start, end) of a sentence."""

    relation: str
    start: int
    end: int
    text: str
    target: str = ""


def means_another(one: Value, other: Value) -> bool:
    """Return whether two values of one relation differ in more than their spelling.

    Numbers differ if neither set of figures and months contains the other. "37%" and "37" are the same value, and so
    are "June 30" and "30 June 2012".

    Links differ if all of these hold: their targets differ, neither anchor contains the other, the anchors start with
    different words, and the words that only one anchor has look different. "Bangalore" and "Bengaluru" look alike.
    """
    if one.relation == "number":
        left, right = _figures(one.text), _figures(other.text)
        return not (left <= right or right <= left)
    if one.target.casefold() == other.target.casefold():
        return False
    left, right = sentence_key(one.text).casefold(), sentence_key(other.text).casefold()
    if left in right or right in left:
        return False
    words, others = left.split(), right.split()
    if words[0] == others[0] and len(words[0]) >= 4:
        return False
    rest, other_rest = ([w for w in a if w not in b] for a, b in ((words, others), (others, words)))
    return SequenceMatcher(None, " ".join(rest), " ".join(other_rest)).ratio() < _ALIKE


def _figures(number: str) -> set[str]:
    """Return the figures of a number or date and its month, without thousands separators."""
    return set(re.findall(r"[A-Z][a-z]+|\d+(?:\.\d+)?", re.sub(r"(?<=\d)[.,](?=\d{3}(?!\d))", "", number)))


def values_of(sentence: str, start: int, links: Sequence[dict]) -> list[Value]:
    """Return the values of a sentence in the order of their positions.

    A number inside a link belongs to the link. A number directly after a name belongs to the name ("Apollo 11").

    Args:
        sentence: The text of the sentence.
        start: The character of the page at which the sentence starts.
        links: The links of the page, sorted by position.

    Returns:
        Values with character positions relative to the sentence.
    """
    found = []
    end = start + len(sentence)
    for number in range(bisect_left(links, start, key=lambda link: link["start"]), len(links)):
        link = links[number]
        if link["start"] >= end:
            break
        first, last = link["start"] - start, link["end"] - start
        if first < last <= len(sentence) and sentence[first:last].strip():
            found.append(Value("link", first, last, sentence[first:last], link["target"]))
    linked = [(value.start, value.end) for value in found]
    for match in _NUMBER.finditer(sentence):
        within = any(first < match.end() and match.start() < last for first, last in linked)
        if not (within or (match[0].isdigit() and follows_name(sentence, match.start()))):
            found.append(Value("number", *match.span(), match[0]))
    return sorted(found, key=lambda value: value.start)


def left_key(sentence: str, value: Value) -> str:
    """Return the normalised text to the left of a value, by which two left contexts are compared."""
    return sentence_key(sentence[: value.start])


def next_word(sentence: str, value: Value) -> str:
    """Return the word after a value in lower case, or "" at the end of the sentence."""
    word = re.search(r"\w+", sentence[value.end :])
    return word[0].casefold() if word else ""


def relation_words(sentence: str, start: int, end: int, *, mention: tuple[int, int] | None) -> str:
    """Return the words that name the relation of a value: the last two before it that carry meaning.

    Words of the subject's mention, numbers, short words and words of the language's grammar (English only) carry none.
    After a number, "%" belongs to them, so that a share and an amount are different relations.

    Args:
        sentence: The sentence.
        start: The first character of the value.
        end: The character after it.
        mention: The characters of the subject's mention, or None.
    """
    left = sentence[:start]
    if mention is not None and mention[1] <= start:
        left = f"{left[: mention[0]]} {left[mention[1] :]}"
    words = [word.casefold() for word in re.findall(r"[^\W\d_]{3,}", left)]
    words = [word for word in words if word not in _GRAMMAR][-2:]
    sign = "%" if "%" in sentence[start : end + 2] else ""
    return " ".join([*words, *filter(None, [sign])])


def contains(text: str, phrase: str) -> bool:
    """Return whether a text contains a phrase as whole words, ignoring case."""
    return re.search(whole_words(phrase), text, re.IGNORECASE) is not None


def is_sentence(text: str) -> bool:
    """Return whether a text ends like a sentence, unlike captions and list items."""
    return re.search(r"[.!?。！？]['\"’”)\]]*$", text) is not None


def too_long(span: str) -> bool:
    """Return whether a span exceeds MOST_WORDS words or MOST_CHARACTERS characters."""
    return len(span) > MOST_CHARACTERS or len(span.split()) > MOST_WORDS
