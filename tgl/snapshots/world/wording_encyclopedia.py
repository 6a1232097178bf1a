"""Define the domain `encyclopedia`: people, clubs, companies, brands, offices and towns, with Wikidata relations."""

from __future__ import annotations

from tgl.snapshots.world.domain import Domain, EntityType, Relation, wordings

_RELATIONS = (
    Relation(
        "P54",
        "footballer",
        "club",
        "team",
        wordings("plays for; is a footballer of; signed with; wears the shirt of; joined the squad of"),
        "{S} is one of the players of {O}.",
    ),
    Relation(
        "P39",
        "politician",
        "office",
        "office",
        wordings("holds the office of; serves as; took the oath as; was elected as; has the post of"),
        "{S} works as {O}.",
    ),
    Relation(
        "P108",
        "employee",
        "company",
        "employer",
        wordings("works for; has a job at; is on the staff of; earns a living with; was hired by"),
        "{S} joined the staff of {O}.",
    ),
    Relation(
        "P286",
        "club",
        "employee",
        "manager",
        wordings("is coached by; is trained by; gave the bench to; has players under; has as coach"),
        "{S} is led by {O}.",
    ),
    Relation(
        "P488",
        "company",
        "politician",
        "chair",
        wordings("is chaired by; has a board led by; named as its chair; answers to; is headed by"),
        "{S} has a board chaired by {O}.",
    ),
    Relation(
        "P127",
        "brand",
        "company",
        "parent",
        wordings("is owned by; is a part of; was bought by; has as its owner; is one of the brands of"),
        "{S} is a part owned by {O}.",
    ),
    Relation(
        "P6",
        "town",
        "politician",
        "leader",
        wordings("is governed by; has as mayor; elected; is run by; follows"),
        "{S} elected as mayor {O}.",
    ),
    Relation(
        "P1001",
        "office",
        "town",
        "jurisdiction",
        wordings("is an office of; exists in; is a title used in; sits in; was made for"),
        "{S} is a post used in {O}.",
    ),
)

_FIRST = (
    "Ada Bela Cara Dora Edda Finn Gwen Hugo Ines Joan Karl Lena Mark Nora Otto Petra Quinn Rosa Sven Tilda "
    "Udo Vera Walt Xenia Yara Zeno Alma Bruno Clara Dirk Elsa Franz Greta Hanna Ivan Jonas Klara Lars Mona Nils"
).split()
_PERSON = "{part} {stem}"

ENCYCLOPEDIA = Domain(
    relations=_RELATIONS,
    # Most pages are people, as in Wikipedia.
    types={
        "footballer": EntityType(0.24, _PERSON, tuple(_FIRST)),
        "politician": EntityType(0.16, _PERSON, tuple(_FIRST)),
        "employee": EntityType(0.24, _PERSON, tuple(_FIRST)),
        "club": EntityType(
            0.07, "{stem} {part}", ("Rovers", "United", "Athletic", "Wanderers", "Albion", "Rangers")
        ),
        "company": EntityType(
            0.07, "{stem} {part}", ("Works", "Systems", "Foods", "Motors", "Steel", "Glass")
        ),
        "brand": EntityType(0.08, "{stem} {part}", ("Cola", "Soap", "Shoes", "Tea", "Radio", "Bikes")),
        "town": EntityType(0.07, "{stem}{part}", ("wick", "ton", "ford", "mere", "stad", "holm")),
        "office": EntityType(
            0.07, "{part} of {stem}", ("Warden", "Keeper", "Judge", "Marshal", "Minister", "Steward")
        ),
    },
    syllables=(
        tuple("b br c cl d dr f fl g gr h j k kl l m n p pr r s st t tr v w".split()),
        tuple("aeiou"),
        tuple("l m n r s x ck nd lt rt".split()),
    ),
    companions=("History of", "Records of"),
    table_heading="Seasons",
)
