"""Divide known facts into updated, near and far ones, and state the updates inside real pages. Pure functions.

A partition is drawn from its number, so that partitions are independent replicates of one experiment. Half of the
relations change. Of their facts, some get a counterfactual answer (another answer of the same relation) and others stay
(near). The facts of the remaining relations are far. New entities are invented subjects of the changing relations.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tgl.core.errors import TglError
from tgl.core.vocabulary import NEW_ENTITY, UNCHANGED, UPDATED
from tgl.snapshots.documents.document import Document
from tgl.snapshots.settings import CounterfactualConfig
from tgl.text.counterfactual.facts import Fact, Wordings

# Far facts have a set of their own. Forgetting is measured on the set that has updates.
NEAR, FAR = "counterfactual", "far"
_ONSETS = ("B", "Br", "D", "Dr", "F", "G", "K", "L", "M", "N", "P", "R", "S", "T", "V", "Z")
_MIDDLES = ("al", "am", "an", "ar", "el", "em", "en", "er", "il", "in", "ol", "on", "or", "ul", "un", "ur")
_ENDS = ("dova", "grad", "kara", "lund", "mora", "nesta", "porra", "quil", "sander", "tavia", "venna", "zia")
_SENTENCE_END = re.compile(r"(?<=[.!?]) (?=[A-Z])|\n")


@dataclass(frozen=True)
class Partition:
    """The facts of one replicate.

    Attributes:
        updated: Facts with their counterfactual answers.
        near: Facts of the same relations that stay.
        far: Facts of other relations that stay.
        new: Facts about invented subjects.
        replaced: The true answer of each updated fact, by relation and subject.
        without_other: The number of facts left out because every answer of their relation is true of their subject.
    """

    updated: list[Fact]
    near: list[Fact]
    far: list[Fact]
    new: list[Fact]
    replaced: dict[tuple[str, str], str]
    without_other: int


def partition(facts: Sequence[Fact], settings: CounterfactualConfig) -> Partition:
    """Draw the partition `settings.partition`.

    Args:
        facts: Facts that the model knows.
        settings: The sizes of the groups.

    Raises:
        TglError: There are too few facts.
    """
    rng = random.Random(f"partition:{settings.partition}")
    groups: dict[str, list[Fact]] = defaultdict(list)
    for fact in facts:
        groups[fact.relation].append(fact)
    # A relation with one answer offers no other answer.
    usable = sorted(name for name, group in groups.items() if len({fact.answer for fact in group}) > 1)
    relations = rng.sample(usable, len(usable))
    changing = relations[: (len(relations) + 1) // 2]
    answers = {name: sorted({fact.answer for fact in group}) for name, group in groups.items()}
    true = defaultdict(set)
    for fact in facts:
        true[fact.relation, fact.subject].add(fact.answer)
    candidates = [fact for name in changing for fact in groups[name]]
    updatable = [
        fact for fact in candidates if len(true[fact.relation, fact.subject]) < len(answers[fact.relation])
    ]
    inside = _one_a_subject(updatable, rng)
    outside = _one_a_subject([fact for name in relations[len(changing) :] for fact in groups[name]], rng)
    wanted = settings.updated + settings.unchanged
    if len(inside) < wanted or not outside:
        raise TglError(
            f"counterfactual: found {len(inside)} known facts of the changing relations {', '.join(changing)} and "
            f"{len(outside)} of other relations, expected at least {wanted} and 1. Give more facts, or lower updated "
            "and unchanged in snapshots.counterfactual"
        )
    updated = [
        Fact(
            fact.relation,
            fact.subject,
            _other(answers[fact.relation], true[fact.relation, fact.subject], rng),
        )
        for fact in inside[: settings.updated]
    ]
    new = [
        Fact(name := rng.choice(changing), subject, rng.choice(answers[name]))
        for subject in _names(rng, settings.new_entities)
    ]
    replaced = {(fact.relation, fact.subject): fact.answer for fact in inside[: settings.updated]}
    return Partition(
        updated,
        inside[settings.updated : wanted],
        outside[: settings.far],
        new,
        replaced,
        len(candidates) - len(updatable),
    )


def _one_a_subject(facts: Sequence[Fact], rng: random.Random) -> list[Fact]:
    """Return the facts in random order, one for each relation and subject.

    Of two true answers one could otherwise be replaced in the text while the other counts as unchanged.
    """
    found: dict[tuple[str, str], Fact] = {}
    for fact in rng.sample(facts, len(facts)):
        found.setdefault((fact.relation, fact.subject), fact)
    return list(found.values())


def _other(answers: Sequence[str], true: set[str], rng: random.Random) -> str:
    return rng.choice([answer for answer in answers if answer not in true])


def _names(rng: random.Random, number: int) -> list[str]:
    """Return invented names, all different.

    Raises:
        TglError: There are fewer names.
    """
    most = len(_ONSETS) * len(_MIDDLES) * len(_ENDS)
    if number > most:
        raise TglError(
            f"counterfactual: found {number} new entities, expected at most {most:,}, the number of names. Lower "
            "new_entities in snapshots.counterfactual"
        )
    found: dict[str, None] = {}
    while len(found) < number:
        found[rng.choice(_ONSETS) + rng.choice(_MIDDLES) + rng.choice(_ENDS)] = None
    return list(found)


def statements(drawn: Partition, wordings: Mapping[str, Wordings], exposures: int, *, seed: int) -> list[str]:
    """Return the sentences that state each updated and new fact `exposures` times, in random order.

    The wordings of a fact take turns, beginning with a random one.
    """
    rng = random.Random(f"statements:{seed}")
    found = []
    for fact in (*drawn.updated, *drawn.new):
        own = wordings[fact.relation].train
        first = rng.randrange(len(own))
        found += [_stated(own[(first + turn) % len(own)], fact)[0] for turn in range(exposures)]
    return rng.sample(found, len(found))


def with_statements(texts: Sequence[str], sentences: Sequence[str], *, seed: int) -> list[str]:
    """Return the texts with each sentence inserted behind a sentence of a random text, and with no other change.

    A text is drawn with a probability proportional to its length.
    """
    rng = random.Random(f"places:{seed}")
    own: dict[int, list[str]] = defaultdict(list)
    for sentence in sentences:
        own[rng.choices(range(len(texts)), weights=[len(text) for text in texts])[0]].append(sentence)
    return [
        _with_inserted(text, own[number], rng) if own[number] else text for number, text in enumerate(texts)
    ]


def _with_inserted(text: str, sentences: Sequence[str], rng: random.Random) -> str:
    # A line without the end of a sentence, such as a heading, gets nothing behind it.
    ends = [match.start() for match in _SENTENCE_END.finditer(text)] + [len(text)]
    ends = [end for end in ends if text[end - 1 : end] in tuple(".!?")]
    if not ends:
        return "\n".join([text, *sentences])
    parts, start = [], 0
    at: dict[int, list[str]] = defaultdict(list)
    for sentence in sentences:
        at[rng.choice(ends)].append(sentence)
    for end in sorted(at):
        parts += [text[start:end], *(f" {sentence}" for sentence in at[end])]
        start = end
    return "".join([*parts, text[start:]])


def chosen_pages(pages: Iterable[Document], characters: int, *, seed: str) -> list[Document]:
    """Return pages in random order up to a number of characters of text; longer pages than a tenth are left out.

    Raises:
        TglError: There is too little text.
    """
    usable = [page for page in pages if 200 <= len(page.text) <= max(2000, characters // 10)]
    found, size = [], 0
    for page in random.Random(seed).sample(usable, len(usable)):
        if size >= characters:
            return found
        found.append(page)
        size += len(page.text)
    if size < characters:
        raise TglError(
            f"counterfactual: found {size:,} characters in {len(found)} pages of medium length, expected at least "
            f"{characters:,}. Give more text, or lower the characters in snapshots.counterfactual"
        )
    return found


def probes(
    drawn: Partition, wordings: Mapping[str, Wordings], period: str, *, split: Mapping[str, str]
) -> Iterator[dict]:
    """Yield the rows of the table `probes`: each fact in every test wording.

    The set of far facts is `far`, that of all others `counterfactual`.

    Args:
        drawn: The facts.
        wordings: The wordings by relation.
        period: The period of the updates.
        split: The split of each subject.
    """
    groups = (
        (NEAR, UPDATED, drawn.updated),
        (NEAR, UNCHANGED, drawn.near),
        (FAR, UNCHANGED, drawn.far),
        (NEAR, NEW_ENTITY, drawn.new),
    )
    for name, kind, facts in groups:
        for fact in facts:
            for number, wording in enumerate(wordings[fact.relation].test):
                text, start = _stated(wording, fact)
                identity = f"{name}-{kind}-{fact.relation}-{fact.subject}".replace(" ", "_")
                yield {
                    "id": f"{identity}-{number}",
                    "set": name,
                    "kind": kind,
                    "period": period,
                    "relation": fact.relation,
                    "subject": fact.subject,
                    "text": text,
                    "span_start": start,
                    "span_end": start + len(fact.answer),
                    "answer_group": f"{identity}-{number}",
                    "split": split[fact.subject],
                    "candidates": [],
                    "old_answer": drawn.replaced[fact.relation, fact.subject] if kind == UPDATED else "",
                }


def _stated(wording: str, fact: Fact) -> tuple[str, int]:
    """Return a sentence and the position of the answer in it."""
    left, _, right = wording.replace("{S}", fact.subject).partition("{O}")
    return left + fact.answer + right, len(left)
