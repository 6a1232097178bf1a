"""Define what a synthetic world consists of: the relations, entity types and names of a domain.

Every wording puts the subject before the object and the object last, so that a causal model has the whole question as
left context. The `probe` wording of a relation never occurs in the text, but each of its words occurs in other
sentences.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product


@dataclass(frozen=True)
class Relation:
    """One relation.

    Attributes:
        id: The id in tables.
        subject_type: The entity type of the subject.
        object_type: The entity type of the object.
        infobox_key: The key in infoboxes.
        wordings: The wordings in articles, with {S} and {O}.
        probe: The wording of probes, with {S} and {O}.
    """

    id: str
    subject_type: str
    object_type: str
    infobox_key: str
    wordings: tuple[str, ...]
    probe: str


@dataclass(frozen=True)
class EntityType:
    """One entity type.

    Attributes:
        share: Its share of the pages of the first snapshot.
        name: The pattern of its names, with {stem} and {part}.
        parts: The values of {part}.
    """

    share: float
    name: str
    parts: tuple[str, ...]


@dataclass(frozen=True)
class Domain:
    """The topic of a world and its wordings; each type is the subject of one relation.

    Attributes:
        relations: The relations.
        types: The entity types by name.
        syllables: The onsets, vowels and codas. A stem consists of one or two of these syllables, capitalised.
        companions: The first words of the titles of an entity's companion articles.
        table_heading: The heading of the section with a table that some articles have.
    """

    relations: tuple[Relation, ...]
    types: Mapping[str, EntityType]
    syllables: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]
    companions: tuple[str, str]
    table_heading: str

    def relation(self, subject_type: str) -> Relation:
        """Return the relation that articles about entities of this type state."""
        (found,) = (relation for relation in self.relations if relation.subject_type == subject_type)
        return found


def wordings(verbs: str) -> tuple[str, ...]:
    """Return the wordings of a relation from the phrases between subject and object, separated by semicolons."""
    return tuple(f"{{S}} {verb} {{O}}." for verb in verbs.split("; "))


class NameMaker:
    """Return names of a domain, never the same one twice, from a generator seeded by the world."""

    def __init__(self, domain: Domain, seed: str, num_pages: int) -> None:
        self._types = domain.types
        self._random = random.Random(f"names:{seed}")
        # About three names of any types use the same stem. Names share parts, but no name is part of another.
        stems = _stems(domain)
        self._pool = [next(stems) for _ in range(max(60, min(num_pages // 2, 400_000)))]
        self._used: set[str] = set()

    def __call__(self, kind: str) -> str:
        """Return a new name for an entity of type `kind`."""
        form = self._types[kind]
        while True:
            stem = self._random.choice(self._pool)
            name = form.name.format(stem=stem, part=self._random.choice(form.parts))
            if name not in self._used:
                self._used.add(name)
                return name


def _stems(domain: Domain) -> Iterator[str]:
    """Yield distinct pronounceable capitalised stems: first short ones, then longer ones."""
    syllables = ["".join(parts) for parts in product(*domain.syllables)]
    random.Random("stems").shuffle(syllables)
    for syllable in syllables:
        yield syllable.capitalize()
    for left, right in product(syllables, syllables):
        yield (left + right).capitalize()
