"""What a synthetic world is made of: a domain's relations, types of entities and names.

Every wording puts the subject before the object and the object last, so that a causal model has the whole
question as left context. The `probe` wording of a relation never occurs in the text, but each of its words
does, in other sentences.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product


@dataclass(frozen=True)
class Relation:
    """One relation: types of subject and object, wordings with {S} and {O}, the id that tables name it by."""

    id: str
    subject_type: str
    object_type: str
    infobox_key: str
    wordings: tuple[str, ...]
    probe: str


@dataclass(frozen=True)
class EntityType:
    """One type: its share of the first snapshot's pages, and its names, a stem and one of the parts."""

    share: float
    name: str  # with {stem} and {part}
    parts: tuple[str, ...]


@dataclass(frozen=True)
class Domain:
    """What one kind of world speaks of, and how.

    Each type is the subject of one relation. A stem is a capitalised onset, vowel and coda, or two of them.
    """

    relations: tuple[Relation, ...]
    types: Mapping[str, EntityType]
    syllables: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]  # onsets, vowels, codas
    companions: tuple[str, str]  # what the titles of an entity's other articles begin with
    table_heading: str  # of the section that some articles have besides their sentence

    def relation(self, subject_type: str) -> Relation:
        """Return the relation that articles on entities of this type state."""
        (found,) = (relation for relation in self.relations if relation.subject_type == subject_type)
        return found


def wordings(verbs: str) -> tuple[str, ...]:
    """Return the wordings of a relation from what stands between subject and object, parted by semicolons."""
    return tuple(f"{{S}} {verb} {{O}}." for verb in verbs.split("; "))


class NameMaker:
    """Hands out names of a domain, never the same twice, from a generator seeded by the world."""

    def __init__(self, domain: Domain, seed: str, num_pages: int) -> None:
        self._types = domain.types
        self._random = random.Random(f"names:{seed}")
        # A stem serves about three names, whatever their types: names share parts but no name is a part.
        stems = _stems(domain)
        self._pool = [next(stems) for _ in range(max(60, min(num_pages // 2, 400_000)))]
        self._used: set[str] = set()

    def __call__(self, kind: str) -> str:
        """Return a fresh name for an entity of type `kind`."""
        form = self._types[kind]
        while True:
            stem = self._random.choice(self._pool)
            name = form.name.format(stem=stem, part=self._random.choice(form.parts))
            if name not in self._used:
                self._used.add(name)
                return name


def _stems(domain: Domain) -> Iterator[str]:
    """Yield pronounceable capitalised stems without repetition: first short ones, then longer ones."""
    syllables = ["".join(parts) for parts in product(*domain.syllables)]
    random.Random("stems").shuffle(syllables)
    for syllable in syllables:
        yield syllable.capitalize()
    for left, right in product(syllables, syllables):
        yield (left + right).capitalize()
