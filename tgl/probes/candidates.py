"""Sentences of one page that may become probes, each with the span that is asked for.

Pure functions: rows of `pages` and `diff` in, candidates out. Every value or sentence looked at is counted, and those
that are no candidate under the reason.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tgl.diff.sentences import new_sentences, sentence_key, split_sentences
from tgl.probes.mentions import Subject, subject_of_page
from tgl.probes.spans import (
    Value,
    contains,
    is_sentence,
    left_key,
    means_another,
    next_word,
    too_long,
    values_of,
)


@dataclass
class Candidate:
    """A sentence of a page, its span [start, end), and the sentences (by key) that also speak of it.

    place: the character of the page that the sentence starts at.
    """

    kind: str
    relation: str
    page_id: int
    subject: Subject
    sentence: str
    place: int
    start: int
    end: int
    taught_by: set[str] = field(default_factory=set)

    @property
    def span(self) -> str:
        """The text that is asked for."""
        return self.sentence[self.start : self.end]


@dataclass(frozen=True)
class Mentioned:
    """A sentence about a new page's subject, which is mentioned at characters [.., end)."""

    page_id: int
    subject: Subject
    sentence: str
    place: int
    end: int


def subject_of(page: dict) -> Subject:
    """Return the subject of a row of `pages`."""
    return subject_of_page(page["title"], page["text"], (link["target"] for link in page["links"]))


def updated_values(
    before: dict, after: dict, changed: Iterable[dict], language: str, counts: Counter
) -> Iterator[Candidate]:
    """Yield what changed in a page: a value behind words that another value stood behind.

    `changed`: the page's rows of `diff`. A value counts as changed where a sentence that only the old page has begins
    with the same words, goes on with a value of the same relation that means another, and the word after both is the
    same; not where either value also stands in the other sentence, as in a list that was put in another order.
    """
    old: dict[tuple[str, str], list[tuple[Value, str]]] = defaultdict(list)
    for start, sentence in new_sentences(after["text"], before["text"], language):
        for value in values_of(sentence, start, before["links"]):
            old[value.relation, left_key(sentence, value)].append((value, sentence))
    subject = subject_of(after)
    for row in changed:
        sentence = row["text"]
        for value in values_of(sentence, row["start"], after["links"]):
            counts["updated: values"] += 1
            was = old[value.relation, left_key(sentence, value)]
            reason = _not_updated(sentence, value, was) or _unusable(subject, sentence, value)
            if reason:
                counts[f"updated: {reason}"] += 1
            else:
                yield _candidate("updated", after["page_id"], subject, sentence, row["start"], value)


def _not_updated(sentence: str, value: Value, was: list[tuple[Value, str]]) -> str | None:
    if not was:
        return "other_words_before"
    if not all(means_another(value, old) for old, _ in was):
        return "same_value"
    after = next_word(sentence, value)
    if not any(after == next_word(before, old) for old, before in was):
        return "other_word_after"
    if any(contains(sentence, old.text) or contains(before, value.text) for old, before in was):
        return "moved_value"
    return None


def unchanged_values(
    base: str, before: dict, after: dict, language: str, counts: Counter
) -> Iterator[Candidate]:
    """Yield values of sentences that stand in a page at both dates, and in its text `base` that was learnt first."""
    stood = set.intersection(
        *({sentence_key(s) for _, s in split_sentences(text, language)} for text in (base, before["text"]))
    )
    subject = subject_of(after)
    for start, sentence in split_sentences(after["text"], language):
        if sentence_key(sentence) not in stood:
            continue
        for value in values_of(sentence, start, after["links"]):
            counts["unchanged: values"] += 1
            reason = _unusable(subject, sentence, value)
            if reason:
                counts[f"unchanged: {reason}"] += 1
            else:
                yield _candidate("unchanged", after["page_id"], subject, sentence, start, value)


def mentioning_sentences(after: dict, rows: Iterable[dict], counts: Counter) -> Iterator[Mentioned]:
    """Yield the sentences of a new page that mention its subject, behind the first paragraph.

    A page of one paragraph gives sentences of that: other pages may speak of the subject.
    """
    subject = subject_of(after)
    text = after["text"]
    first = text.find("\n") if text.strip().count("\n") else 0
    for row in rows:
        counts["new_entity: sentences"] += 1
        mention = subject.mention(row["text"])
        if row["start"] < first:
            counts["new_entity: first_paragraph"] += 1
        elif not is_sentence(row["text"]):
            counts["new_entity: no_sentence"] += 1
        elif mention is None:
            counts["new_entity: subject_not_named_before"] += 1
        else:
            yield Mentioned(after["page_id"], subject, row["text"], row["start"], mention[1])


def _unusable(subject: Subject, sentence: str, value: Value) -> str | None:
    left = sentence[: value.start]
    if not is_sentence(sentence):
        return "no_sentence"
    if subject.mention(left) is None:
        return "subject_not_named_before"
    if too_long(value.text):
        return "too_long"
    return "given_away" if contains(left, value.text) else None


def _candidate(
    kind: str, page_id: int, subject: Subject, sentence: str, place: int, value: Value
) -> Candidate:
    return Candidate(kind, value.relation, page_id, subject, sentence, place, value.start, value.end)
