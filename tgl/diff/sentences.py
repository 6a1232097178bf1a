"""Sentences, and which of a page's are new: by multiset, so that a moved paragraph is no change."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator

import sentencex

_TYPOGRAPHY = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "\u00a0": " "})
_BLANKS = re.compile(r"\s+")


def split_sentences(text: str, language: str) -> list[str]:
    """Return the sentences of clean text in order, paragraph by paragraph, without outer white space."""
    return [
        sentence
        for paragraph in text.split("\n")
        if paragraph.strip()
        for sentence in (piece.strip() for piece in sentencex.segment(language, _BLANKS.sub(" ", paragraph)))
        if sentence
    ]


def sentence_key(sentence: str) -> str:
    """Return what two sentences are compared by.

    White space, Unicode composition and the shape of quotes and dashes are levelled; case, digits and all
    other punctuation count, so that "3.5" and "35" differ.
    """
    return _BLANKS.sub(" ", unicodedata.normalize("NFC", sentence).translate(_TYPOGRAPHY)).strip()


def new_sentences(old_text: str, new_text: str, language: str) -> Iterator[tuple[int, str]]:
    """Yield (position, sentence) of each sentence of `new_text` that the multiset of `old_text`'s lacks."""
    left = Counter(map(sentence_key, split_sentences(old_text, language)))
    for position, sentence in enumerate(split_sentences(new_text, language)):
        key = sentence_key(sentence)
        if left[key] > 0:
            left[key] -= 1
        else:
            yield position, sentence
