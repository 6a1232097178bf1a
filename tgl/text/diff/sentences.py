"""Split text into sentences, and find the new sentences of a page.

The comparison uses multisets of sentences, so that a moved paragraph is not a change.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import sentencex

from tgl.text.diff.typography import level, level_with_places


def split_sentences(text: str, language: str) -> Iterator[tuple[int, str]]:
    """Yield (start, sentence) of clean text in order, paragraph by paragraph, without surrounding white space.

    `start` is the character of `text` at which the sentence starts.
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
    folded, end = _folded(paragraph), 0
    places = None if folded == paragraph else _places(paragraph)
    for sentence in _pieces(folded, language):
        begin = folded.index(sentence, end)
        end = begin + len(sentence)
        yield start + (begin if places is None else places[begin]), sentence


def _places(text: str) -> list[int]:
    """Return the place in `text` of each character of its folded form."""
    found: list[int] = []
    for word in re.finditer(r"\S+", text):
        found += [word.start() - 1] * bool(found)  # the space before it
        found += range(*word.span())
    return found


def _pieces(folded: str, language: str) -> Iterator[str]:
    """Yield the sentences of a paragraph; the shape of quotes does not affect the boundaries."""
    if folded.isascii():
        yield from filter(None, map(str.strip, sentencex.segment(language, folded)))
        return
    levelled, places = level_with_places(folded)
    begin = at = 0
    for piece in sentencex.segment(language, levelled):
        at += len(piece)
        end = places[at] if at < len(levelled) else len(folded)
        if sentence := folded[begin:end].strip():
            yield sentence
        begin = end


def sentence_key(sentence: str) -> str:
    """Return the normalised key by which two sentences are compared.

    The key ignores white space, Unicode composition, invisible characters and the shape of quotes and dashes. Case,
    digits and all other punctuation count, so that "3.5" and "35" differ.
    """
    return _folded(level(sentence))


def _key_of_folded(sentence: str) -> str:
    """Return the key of a sentence in which white space is folded."""
    return sentence if sentence.isascii() else sentence_key(sentence)


def _folded(text: str) -> str:
    """Return text with each run of white space replaced by one space, without surrounding white space."""
    # The space is the only white space in printable ASCII, so most texts need no further work.
    if text.isascii() and text.isprintable() and "  " not in text:
        return text.strip(" ")
    return " ".join(text.split())


def new_sentences(old_text: str, new_text: str, language: str) -> Iterator[tuple[int, str]]:
    """Yield (start, sentence) for each sentence of `new_text` that is not in the multiset of sentences of `old_text`.

    Paragraphs that both texts contain are matched first and never split. This has two effects. Most paragraphs of a
    page need no splitting. If a sentence occurs once more than before, the occurrence in a changed paragraph is the new
    one.
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
        left.update(filter(None, map(_key_of_folded, _pieces(_folded(paragraph), language))))
    for start, paragraph in changed:
        for begin, sentence in _sentences(start, paragraph, language):
            key = _key_of_folded(sentence)
            if left.get(key, 0):
                left[key] -= 1
            else:
                yield begin, sentence
