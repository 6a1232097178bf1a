"""Define the domain `records`: the technical records of a waterworks, its equipment, technicians and suppliers."""

from __future__ import annotations

from tgl.snapshots.world.domain import Domain, EntityType, Relation, wordings

_RELATIONS = (
    Relation(
        "feeds",
        "pump",
        "line",
        "line",
        wordings("feeds; is a pump on; delivers into; was fitted to; drives the flow of"),
        "{S} delivers flow to {O}.",
    ),
    Relation(
        "made_by",
        "valve",
        "supplier",
        "maker",
        wordings("was made by; is a product of; comes from; was bought from; has a warranty of"),
        "{S} is a product bought from {O}.",
    ),
    Relation(
        "reports_to",
        "sensor",
        "unit",
        "controller",
        wordings("reports to; sends readings to; is wired to; raises alarms at; is read by"),
        "{S} sends alarms to {O}.",
    ),
    Relation(
        "based_at",
        "technician",
        "station",
        "station",
        wordings("is based at; works at; has a locker at; is on call for; was assigned to"),
        "{S} works on call at {O}.",
    ),
    Relation(
        "maintained_by",
        "line",
        "technician",
        "technician",
        wordings(
            "is maintained by; is inspected by; was handed to; has its checks done by; is in the care of"
        ),
        "{S} has its checks handed to {O}.",
    ),
    Relation(
        "supervised_by",
        "station",
        "technician",
        "foreman",
        wordings("is supervised by; has as foreman; takes orders from; is kept by; was entrusted to"),
        "{S} has orders from {O}.",
    ),
    Relation(
        "cooled_by",
        "unit",
        "pump",
        "cooling",
        wordings("is cooled by; draws water from; depends on; is supplied by; shares a frame with"),
        "{S} is supplied with water from {O}.",
    ),
    Relation(
        "delivers_to",
        "supplier",
        "station",
        "depot",
        wordings("delivers to; has a contract with; ships parts to; serves; keeps stock at"),
        "{S} has a stock of parts at {O}.",
    ),
)

_TAGGED = "{stem} {part}"
_INITIALS = "AB CD DM EK FL GH HN JR KT LS MV NP OW PG RB SF TC UJ VE WO".split()

RECORDS = Domain(
    relations=_RELATIONS,
    # Most records describe small equipment. No part is a prefix of another, so no name contains another.
    types={
        "pump": EntityType(0.2, _TAGGED, tuple(f"P{number}" for number in range(11, 51))),
        "valve": EntityType(0.2, _TAGGED, tuple(f"V{number}" for number in range(11, 51))),
        "sensor": EntityType(0.2, _TAGGED, tuple(f"S{number}" for number in range(11, 51))),
        "technician": EntityType(0.12, _TAGGED, tuple(_INITIALS)),
        "line": EntityType(0.07, _TAGGED, ("Main", "Header", "Branch", "Loop", "Drain", "Bypass")),
        "station": EntityType(0.07, "{stem}-{part}", tuple("123456")),
        "unit": EntityType(0.07, _TAGGED, tuple(f"U{number}" for number in range(1, 7))),
        "supplier": EntityType(
            0.07, _TAGGED, ("Seals", "Castings", "Fittings", "Bearings", "Flanges", "Alloys")
        ),
    },
    syllables=(
        tuple("b d f g h k m p t v w y z th sn sk dr gl kr tr".split()),
        tuple("aeiou"),
        tuple("b v z nz lk ft sk rb lb th".split()),
    ),
    companions=("Log of", "Drawings of"),
    table_heading="Inspections",
)
