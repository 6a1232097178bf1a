"""The synthetic world's language: relations, how the text words them, and how names are made.

Every wording puts the subject before the object and the object last, so that a causal model has the whole
question as left context. The `probe` wording of a relation never occurs in the text, but each of its words
does, in other sentences.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product


@dataclass(frozen=True)
class Relation:
    """One relation: Wikidata property, types of subject and object, wordings with {S} and {O}."""

    id: str
    subject_type: str
    object_type: str
    infobox_key: str
    wordings: tuple[str, ...]
    probe: str


def _wordings(verbs: str) -> tuple[str, ...]:
    return tuple(f"{{S}} {verb} {{O}}." for verb in verbs.split("; "))


RELATIONS: tuple[Relation, ...] = (
    Relation(
        "P54",
        "footballer",
        "club",
        "team",
        _wordings("plays for; is a footballer of; signed with; wears the shirt of; joined the squad of"),
        "{S} is one of the players of {O}.",
    ),
    Relation(
        "P39",
        "politician",
        "office",
        "office",
        _wordings("holds the office of; serves as; took the oath as; was elected as; has the post of"),
        "{S} works as {O}.",
    ),
    Relation(
        "P108",
        "employee",
        "company",
        "employer",
        _wordings("works for; has a job at; is on the staff of; earns a living with; was hired by"),
        "{S} joined the staff of {O}.",
    ),
    Relation(
        "P286",
        "club",
        "employee",
        "manager",
        _wordings("is coached by; is trained by; gave the bench to; has players under; has as coach"),
        "{S} is led by {O}.",
    ),
    Relation(
        "P488",
        "company",
        "politician",
        "chair",
        _wordings("is chaired by; has a board led by; named as its chair; answers to; is headed by"),
        "{S} has a board chaired by {O}.",
    ),
    Relation(
        "P127",
        "brand",
        "company",
        "parent",
        _wordings("is owned by; is a part of; was bought by; has as its owner; is one of the brands of"),
        "{S} is a part owned by {O}.",
    ),
    Relation(
        "P6",
        "town",
        "politician",
        "leader",
        _wordings("is governed by; has as mayor; elected; is run by; follows"),
        "{S} elected as mayor {O}.",
    ),
    Relation(
        "P1001",
        "office",
        "town",
        "jurisdiction",
        _wordings("is an office of; exists in; is a title used in; sits in; was made for"),
        "{S} is a post used in {O}.",
    ),
)

RELATION_OF_TYPE = {relation.subject_type: relation for relation in RELATIONS}

# Share of pages of each type in the first snapshot; most pages are people, as in Wikipedia.
TYPE_SHARES = {
    "footballer": 0.24,
    "politician": 0.16,
    "employee": 0.24,
    "club": 0.07,
    "company": 0.07,
    "brand": 0.08,
    "town": 0.07,
    "office": 0.07,
}

_FIRST = (
    "Ada Bela Cara Dora Edda Finn Gwen Hugo Ines Joan Karl Lena Mark Nora Otto Petra Quinn Rosa Sven Tilda "
    "Udo Vera Walt Xenia Yara Zeno Alma Bruno Clara Dirk Elsa Franz Greta Hanna Ivan Jonas Klara Lars Mona Nils"
).split()
_ONSET = "b br c cl d dr f fl g gr h j k kl l m n p pr r s st t tr v w".split()
_VOWEL = ["a", "e", "i", "o", "u"]
_CODA = ["l", "m", "n", "r", "s", "x", "ck", "nd", "lt", "rt"]
_TOWN_END = ["wick", "ton", "ford", "mere", "stad", "holm"]
_CLUB_END = ["Rovers", "United", "Athletic", "Wanderers", "Albion", "Rangers"]
_COMPANY_END = ["Works", "Systems", "Foods", "Motors", "Steel", "Glass"]
_BRAND_END = ["Cola", "Soap", "Shoes", "Tea", "Radio", "Bikes"]
_OFFICE = ["Warden", "Keeper", "Judge", "Marshal", "Minister", "Steward"]


def _stems() -> Iterator[str]:
    """Yield pronounceable capitalised stems without repetition: first short ones, then longer ones."""
    syllables = ["".join(parts) for parts in product(_ONSET, _VOWEL, _CODA)]
    random.Random("stems").shuffle(syllables)
    for syllable in syllables:
        yield syllable.capitalize()
    for left, right in product(syllables, syllables):
        yield (left + right).capitalize()


class NameMaker:
    """Hands out names, never the same twice, from a generator seeded by the world."""

    def __init__(self, seed: str, num_pages: int) -> None:
        self._random = random.Random(f"names:{seed}")
        # A stem serves about three names, whatever their types: names share parts but no name is a part.
        stems = _stems()
        self._pool = [next(stems) for _ in range(max(60, min(num_pages // 2, 400_000)))]
        self._used: set[str] = set()

    def __call__(self, kind: str) -> str:
        """Return a fresh name for an entity of type `kind`."""
        while True:
            stem = self._random.choice(self._pool)
            if kind in ("footballer", "politician", "employee"):
                name = f"{self._random.choice(_FIRST)} {stem}"
            elif kind == "town":
                name = stem + self._random.choice(_TOWN_END)
            elif kind == "club":
                name = f"{stem} {self._random.choice(_CLUB_END)}"
            elif kind == "company":
                name = f"{stem} {self._random.choice(_COMPANY_END)}"
            elif kind == "brand":
                name = f"{stem} {self._random.choice(_BRAND_END)}"
            else:
                name = f"{self._random.choice(_OFFICE)} of {stem}"
            if name not in self._used:
                self._used.add(name)
                return name
