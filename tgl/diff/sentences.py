"""Sentences, and which of a page's are new: by multiset, so that a moved paragraph is no change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import sentencex

from tgl.diff.typography import level, level_with_places


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
    for sentence in _pieces(_folded(paragraph), language):
        # Where runs of blanks were folded, the sentence may not stand there as it is.
        found = paragraph.find(sentence, end)
        begin = end if found < 0 else found
        end = begin + len(sentence)
        yield start + begin, sentence


def _pieces(folded: str, language: str) -> Iterator[str]:
    """Yield the sentences of a paragraph, which end at the same words whatever the shape of its quotes is."""
    levelled, places = level_with_places(folded)
    begin = at = 0
    for piece in sentencex.segment(language, levelled):
        at += len(piece)
        end = places[at] if at < len(levelled) else len(folded)
        if sentence := folded[begin:end].strip():
            yield sentence
        begin = end


def sentence_key(sentence: str) -> str:
    """Return what two sentences are compared by.

    White space, Unicode composition, characters that are not seen and the shape of quotes and dashes are levelled;
    case, digits and all other punctuation count, so that "3.5" and "35" differ.
    """
    return _folded(level(sentence))


def _folded(text: str) -> str:
    """Return text with each run of white space as one blank, and none around it."""
    # Of printable ASCII only the blank is white space: nothing to do for most.
    if text.isascii() and text.isprintable() and "  " not in text:
        return text.strip(" ")
    return " ".join(text.split())


def new_sentences(old_text: str, new_text: str, language: str) -> Iterator[tuple[int, str]]:
    """Yield (start, sentence) of each sentence of `new_text` that the multiset of `old_text`'s lacks.

    Paragraphs that both have are set against each other first and never split, so that of a sentence that occurs once
    more than before the one in a changed paragraph is new. Of most pages that is all but a few.
    """
    unmatched = Counter(old_text.split("\n"))
    changed = []
    for start, paragraph in _paragraphs(new_text):
        if unmatched.get(paragraph, 0):
            unmatched[paragraph] -= 1
        else:
            changed.append((start, paragraph))
    left: Counter[str] = Counter()
    for paragraph in unmatched.elements() if changed else ():
        left.update(filter(None, map(sentence_key, _pieces(_folded(paragraph), language))))
    for start, paragraph in changed:
        for begin, sentence in _sentences(start, paragraph, language):
            key = sentence_key(sentence)
            if left.get(key, 0):
                left[key] -= 1
            else:
                yield begin, sentence
