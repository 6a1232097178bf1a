"""Find the sentences of the training text that state the value or mention the entity of a probe."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

from tgl.probes.from_text.candidates import Candidate
from tgl.probes.spans import contains
from tgl.text.diff.sentences import sentence_key, split_sentences
from tgl.text.withheld import digest

# The choice of probes needs no more teaching sentences than this for each candidate.
_MOST = 8
_WORD = re.compile(r"\w+")
_LONG_WORD = re.compile(r"[^\W\d_]{4,}")


class Teachers:
    """Collect the sentences that teach each candidate; their digests are added to `taught_by`.

    A teaching sentence is on the same page, or on another page and contains the full name of the subject. For a new
    entity the mention is enough. Otherwise the sentence must contain the value as whole words. A number alone is
    ambiguous, so the sentence must also contain the nearest longer word to the left or right of the number in the
    probe.
    """

    def __init__(self, candidates: Iterable[Candidate]) -> None:
        self._of_page: dict[int, list[Candidate]] = defaultdict(list)
        self._named: dict[str, list[tuple[list[str], Candidate]]] = defaultdict(list)
        for candidate in candidates:
            self._of_page[candidate.page_id].append(candidate)
            if words := _WORD.findall(candidate.subject.name):
                self._named[words[0]].append((words, candidate))

    def add_page(self, page_id: int, text: str, language: str) -> None:
        """Record the teaching sentences in the text of a page; a text that names no subject is not split."""
        if page_id in self._of_page or not self._named.keys().isdisjoint(_WORD.findall(text)):
            for _, sentence in split_sentences(text, language):
                self.add_sentence(page_id, sentence)

    def add_sentence(self, page_id: int, sentence: str) -> None:
        """Record a training sentence for each candidate that it teaches."""
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
        return  # this sentence is withheld too
    if candidate.kind != "new_entity" and not contains(sentence, candidate.span):
        return
    if candidate.relation == "number" and not any(
        contains(sentence, word) for word in _nearest_words(candidate)
    ):
        return
    candidate.taught_by.add(digest(sentence))


def _nearest_words(candidate: Candidate) -> list[str]:
    """Return the nearest words of at least four letters on both sides of a span, without the subject's name."""
    left = candidate.sentence[: candidate.start].replace(candidate.subject.name, " ")
    right = _LONG_WORD.findall(candidate.sentence[candidate.end :].replace(candidate.subject.name, " "))
    return _LONG_WORD.findall(left)[-1:] + right[:1]
