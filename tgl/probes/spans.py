"""Find the values of a text that may change: link targets, numbers and dates."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
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
# Many languages group thousands with a blank, Swiss texts with an apostrophe.
_GROUPED = r"\d{1,3}(?:[ \u00a0\u2009\u202f'’]\d{3})+(?!\d)(?:[.,]\d+)?"
_AMOUNT = rf"[$€£¥]?(?:{_GROUPED}|\d+(?:[.,]\d+)*)"
_FACTORS = {"thousand": 3, "million": 6, "billion": 9, "trillion": 12}  # English only
# Parts of a time, a fraction, a ratio or a power are no amounts of their own.
_NUMBER = re.compile(
    rf"(?<![\w.,$€£¥-])(?<!\d[:/^'’])(?:{_DATE}|{_AMOUNT}(?:[-–]{_AMOUNT})?(?: (?:{'|'.join(_FACTORS)})| ?%)?)"
    r"(?!\w|[.,:/^'’]\d|-\w)"
)
_ONE_AMOUNT = re.compile(rf"({_AMOUNT})(?: ({'|'.join(_FACTORS)}))?")


# The ways to read an amount, each with the value of its last digit.
_Amount = list[tuple[Decimal, Decimal]]


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

    Amounts differ if those of neither number all agree with one of the other. Two amounts agree if they are equal when
    both are rounded to the precision of the coarser one, so "37.24" and "37.2" are the same value, and so are "37%"
    and "37", and "18.4 million" and "18,430,408". Dates differ if neither set of figures and months contains the
    other: "June 30" and "30 June 2012" are the same value.

    Links differ if all of these hold: their targets differ, neither anchor contains the other, the anchors start with
    different words, and the words that only one anchor has look different. "Bangalore" and "Bengaluru" look alike.
    """
    if one.relation == "number":
        if re.search(_MONTH, one.text + other.text):
            left, right = _figures(one.text), _figures(other.text)
            return not (left <= right or right <= left)
        factors = [_factors(value.text) for value in (one, other)]
        # Where only one names a factor, the other may leave it out: "$2.6 million" and "$2.6".
        scales = [own if all(factors) else own | {0} for own in factors]
        left, right = (
            [_amounts(value.text, scale) for scale in own]
            for value, own in zip((one, other), scales, strict=True)
        )
        return all(_differ(amounts, others) for amounts in left for others in right)
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


def _differ(amounts: list[_Amount], others: list[_Amount]) -> bool:
    return not (_all_among(amounts, others) or _all_among(others, amounts))


def _all_among(amounts: list[_Amount], others: list[_Amount]) -> bool:
    return all(any(_agree(one, other) for other in others) for one in amounts)


def _agree(one: _Amount, other: _Amount) -> bool:
    return any(2 * abs(a - b) <= max(unit, its) for a, unit in one for b, its in other)


def _factors(number: str) -> set[int]:
    """Return the power of ten that a number names: 6 for million. Empty: none."""
    return {_FACTORS[word] for _, word in _ONE_AMOUNT.findall(number) if word}


def _amounts(number: str, power: int) -> list[_Amount]:
    """Return the amounts of a number, two for a range, times a power of ten."""
    return [_readings(digits, Decimal(10) ** power) for digits, _ in _ONE_AMOUNT.findall(number)]


def _readings(digits: str, factor: Decimal) -> _Amount:
    """Return the possible (value, value of its last digit) of an amount: 1.234 is a thousand, or a little above one."""
    plain = re.sub(r"[^\d.,]", "", digits)
    groups, signs = re.split("[.,]", plain), re.findall("[.,]", plain)
    whole, places = Decimal("".join(groups)), -len(groups[-1])
    readings = []
    if signs and signs.count(signs[-1]) == 1:
        readings.append((whole.scaleb(places), Decimal(1).scaleb(places)))
    if not readings or (len(set(signs)) == 1 and all(len(group) == 3 for group in groups[1:])):
        readings.append((whole, Decimal(1)))
    return [(value * factor, unit * factor) for value, unit in readings]


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
