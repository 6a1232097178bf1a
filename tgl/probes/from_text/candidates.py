"""Find the sentences of one page that may become probes, each with the span to predict.

The functions take rows of the tables `pages` and `diff` and yield candidates. Every value or sentence is counted; each
rejected one is counted under its reason.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from tgl.probes.from_text.mentions import Subject, subject_of_page
from tgl.probes.spans import (
    Value,
    contains,
    is_sentence,
    left_key,
    means_another,
    next_word,
    relation_words,
    too_long,
    values_of,
)
from tgl.text.diff.sentences import new_sentences, sentence_key, split_sentences


@dataclass
class Candidate:
    """A sentence of a page with its span [start, end), in characters of the sentence.

    Attributes:
        relation: What the value is, "number" or "link", or "phrase".
        place: The character of the page at which the sentence starts.
        old_answer: The value that was replaced, "" for a candidate that is not updated.
        taught_by: The digests of other sentences that state the same value or mention the same entity.
    """

    kind: str
    relation: str
    page_id: int
    subject: Subject
    sentence: str
    place: int
    start: int
    end: int
    old_answer: str = ""
    taught_by: set[str] = field(default_factory=set)

    @property
    def span(self) -> str:
        """The text that a model has to predict."""
        return self.sentence[self.start : self.end]

    @property
    def relation_in_words(self) -> str:
        """The relation with the words that name it, as in 'number: population'. It is the same for many subjects."""
        if self.relation == "phrase":  # the phrases of new entities share no relation
            return self.relation
        words = relation_words(
            self.sentence, self.start, self.end, mention=self.subject.mention(self.sentence)
        )
        return f"{self.relation}: {words}" if words else self.relation


@dataclass(frozen=True)
class Mentioned:
    """A sentence of a new page that mentions the page's subject; `end` is the character after the mention."""

    page_id: int
    subject: Subject
    sentence: str
    place: int
    end: int


def subject_of(page: dict) -> Subject:
    """Return the subject of a row of `pages`."""
    return subject_of_page(page["title"], page["text"], (link["target"] for link in page["links"]))


def updated_values(
    before: dict, after: dict, changed: Iterable[dict], *, language: str, counts: Counter
) -> Iterator[Candidate]:
    """Yield the values that changed in a page.

    A value counts as changed if the old page has a sentence of its own that starts with the same words and continues
    with a different value of the same relation, followed by the same word. It does not count if one of the two
    sentences also contains the other value, as in a reordered list.

    Args:
        before: The old row of the table `pages`.
        after: The new row of the table `pages`.
        changed: The rows of the table `diff` of this page.
        language: The language code for sentence splitting.
        counts: Counters, updated in place.
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
                found = _candidate(
                    "updated", after["page_id"], subject, sentence=sentence, place=row["start"], value=value
                )
                yield replace(found, old_answer=was[-1][0].text)


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
    base: str, before: dict, after: dict, *, language: str, counts: Counter
) -> Iterator[Candidate]:
    """Yield the values of sentences that the page contains at both dates and in the base text.

    Args:
        base: The text of the page in the base text.
        before: The old row of the table `pages`.
        after: The new row of the table `pages`.
        language: The language code for sentence splitting.
        counts: Counters, updated in place.
    """
    unchanged = set.intersection(
        *({sentence_key(s) for _, s in split_sentences(text, language)} for text in (base, before["text"]))
    )
    subject = subject_of(after)
    for start, sentence in split_sentences(after["text"], language):
        if sentence_key(sentence) not in unchanged:
            continue
        for value in values_of(sentence, start, after["links"]):
            counts["unchanged: values"] += 1
            reason = _unusable(subject, sentence, value)
            if reason:
                counts[f"unchanged: {reason}"] += 1
            else:
                yield _candidate(
                    "unchanged", after["page_id"], subject, sentence=sentence, place=start, value=value
                )


def mentioning_sentences(after: dict, rows: Iterable[dict], counts: Counter) -> Iterator[Mentioned]:
    """Yield the sentences of a new page that mention its subject after the first paragraph.

    A page with a single paragraph yields sentences of that paragraph, because other pages may mention its subject.

    Args:
        after: The new row of the table `pages`.
        rows: The rows of the table `diff` of this page.
        counts: Counters, updated in place.
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
    kind: str, page_id: int, subject: Subject, *, sentence: str, place: int, value: Value
) -> Candidate:
    return Candidate(kind, value.relation, page_id, subject, sentence, place, value.start, value.end)
