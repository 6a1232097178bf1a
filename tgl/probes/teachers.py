"""Which sentences of the training text also speak of what a probe asks for."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

from tgl.diff.sentences import sentence_key, split_sentences
from tgl.probes.candidates import Candidate
from tgl.probes.spans import contains
from tgl.text.withheld import digest

# So many are enough to choose by, however often a fact is told.
_MOST = 8
_WORD = re.compile(r"\w+")
_LONG_WORD = re.compile(r"[^\W\d_]{4,}")


class Teachers:
    """Collects, for candidates, the sentences that speak of them: `taught_by` holds their digests.

    Those are sentences of the same page, and sentences of other pages that name the subject in full. Of a new
    entity it is enough to mention it. A value must stand there as whole words; a number, which means little alone,
    beside the nearest longer word to its left or right in the probe.
    """

    def __init__(self, candidates: Iterable[Candidate]) -> None:
        self._of_page: dict[int, list[Candidate]] = defaultdict(list)
        self._named: dict[str, list[tuple[list[str], Candidate]]] = defaultdict(list)
        for candidate in candidates:
            self._of_page[candidate.page_id].append(candidate)
            if words := _WORD.findall(candidate.subject.name):
                self._named[words[0]].append((words, candidate))

    def look_through(self, page_id: int, text: str, language: str) -> None:
        """Note the sentences of a page's text; one that names no subject is not split."""
        if page_id in self._of_page or not self._named.keys().isdisjoint(_WORD.findall(text)):
            for _, sentence in split_sentences(text, language):
                self.look(page_id, sentence)

    def look(self, page_id: int, sentence: str) -> None:
        """Note a sentence of training text under each candidate that it speaks of."""
        own = self._of_page.get(page_id, ())
        words = _WORD.findall(sentence)
        named = [
            candidate
            for place, word in enumerate(words)
            for name, candidate in self._named.get(word, ())
            if candidate.page_id != page_id and words[place : place + len(name)] == name
        ]
        for candidate in own:
            if candidate.kind != "new_entity" or candidate.subject.mention(sentence):
                _note(candidate, sentence)
        for candidate in named:
            _note(candidate, sentence)


def _note(candidate: Candidate, sentence: str) -> None:
    if len(candidate.taught_by) >= _MOST or sentence_key(candidate.sentence) in sentence_key(sentence):
        return  # withheld too
    if candidate.kind != "new_entity" and not contains(sentence, candidate.span):
        return
    if candidate.relation == "number" and not any(contains(sentence, word) for word in _beside(candidate)):
        return
    candidate.taught_by.add(digest(sentence))


def _beside(candidate: Candidate) -> list[str]:
    """Return the nearest words of four letters or more on both sides of a span, without the subject's name."""
    left = candidate.sentence[: candidate.start].replace(candidate.subject.name, " ")
    right = _LONG_WORD.findall(candidate.sentence[candidate.end :].replace(candidate.subject.name, " "))
    return _LONG_WORD.findall(left)[-1:] + right[:1]
