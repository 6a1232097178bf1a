"""Sentences, and which of a page's are new: by multiset, so that a moved paragraph is no change."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator

import sentencex

_TYPOGRAPHY = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "\u00a0": " "})
_BLANKS = re.compile(r"\s+")


def split_sentences(text: str, language: str) -> Iterator[tuple[int, str]]:
    """Yield (start, sentence) of clean text in order, paragraph by paragraph, without outer white space.

    start: the character of `text` that the sentence starts at.
    """
    for start, paragraph in _paragraphs(text):
        yield from _sentences(start, paragraph, language)


def _paragraphs(text: str) -> Iterator[tuple[int, str]]:
    start = 0
    for paragraph in text.split("\n"):
        if paragraph.strip():
            yield start, paragraph
        start += len(paragraph) + 1


def _sentences(start: int, paragraph: str, language: str) -> Iterator[tuple[int, str]]:
    end = 0
    for piece in sentencex.segment(language, _BLANKS.sub(" ", paragraph)):
        if sentence := piece.strip():
            # Where runs of blanks were folded, the sentence may not stand there as it is.
            found = paragraph.find(sentence, end)
            begin = end if found < 0 else found
            end = begin + len(sentence)
            yield start + begin, sentence


def sentence_key(sentence: str) -> str:
    """Return what two sentences are compared by.

    White space, Unicode composition and the shape of quotes and dashes are levelled; case, digits and all
    other punctuation count, so that "3.5" and "35" differ.
    """
    return _BLANKS.sub(" ", unicodedata.normalize("NFC", sentence).translate(_TYPOGRAPHY)).strip()


def new_sentences(old_text: str, new_text: str, language: str) -> Iterator[tuple[int, str]]:
    """Yield (start, sentence) of each sentence of `new_text` that the multiset of `old_text`'s lacks.

    Paragraphs that both have are set against each other first and never split, so that of a sentence that occurs once
    more than before the one in a changed paragraph is new.
    """
    old = [(sentence_key(paragraph), paragraph) for _, paragraph in _paragraphs(old_text)]
    new = [(sentence_key(paragraph), start, paragraph) for start, paragraph in _paragraphs(new_text)]
    both = Counter(key for key, _ in old) & Counter(key for key, _, _ in new)
    left: Counter[str] = Counter()
    for _, paragraph in _without(both.copy(), old):
        left.update(sentence_key(sentence) for _, sentence in _sentences(0, paragraph, language))
    for _, start, paragraph in _without(both, new):
        for begin, sentence in _sentences(start, paragraph, language):
            key = sentence_key(sentence)
            if left[key] > 0:
                left[key] -= 1
            else:
                yield begin, sentence


def _without(matched: Counter, paragraphs: Iterable[tuple]) -> Iterator[tuple]:
    """Yield the paragraphs (key first) but as many of each key as are matched; uses `matched` up."""
    for paragraph in paragraphs:
        if matched[paragraph[0]] > 0:
            matched[paragraph[0]] -= 1
        else:
            yield paragraph
