"""Entities and SPARQL answers in Wikidata's own layout, for tests."""

import json
import re

HASH = "0" * 40
ENTITY = "http://www.wikidata.org/entity/"


def time_snak(time, precision=None, relation="P580"):
    """Return a time as a qualifier: 2019, 2019-05 or 2019-05-07 by its precision; somevalue or novalue."""
    snak = {"snaktype": time, "property": relation, "hash": HASH, "datatype": "time"}
    if time in ("somevalue", "novalue"):
        return snak
    if precision is None:
        year, month, day = [*time.split("-"), "00", "00"][:3]
        time, precision = f"+{year}-{month}-{day}T00:00:00Z", 9 + time.count("-")
    value = {
        "time": time, "timezone": 0, "before": 0, "after": 0, "precision": precision,
        "calendarmodel": "http://www.wikidata.org/entity/Q1985727",
    }  # fmt: skip
    return snak | {"snaktype": "value", "datavalue": {"value": value, "type": "time"}}


def item_snak(relation, item):
    """Return a value that is an item, as Q42."""
    value = {"entity-type": "item", "numeric-id": int(item[1:]), "id": item}
    return {
        "snaktype": "value", "property": relation, "datatype": "wikibase-item",
        "datavalue": {"value": value, "type": "wikibase-entityid"},
    }  # fmt: skip


def statement(relation, value, start=None, end=None, rank="normal", **qualifiers):
    """Return a statement; `value`: an item's id or a snak; `start`, `end` and P585=...: as `time_snak` takes them."""
    snaks = {"P580": start, "P582": end, **qualifiers}
    given = {key: times if isinstance(times, list) else [times] for key, times in snaks.items() if times}
    found = {
        "mainsnak": item_snak(relation, value) if isinstance(value, str) else value,
        "type": "statement",
        "id": f"Q1${HASH}",
        "rank": rank,
        "references": [{"hash": HASH, "snaks": {}, "snaks-order": []}],
    }
    if given:
        found["qualifiers"] = {
            key: [time if isinstance(time, dict) else time_snak(time, relation=key) for time in times]
            for key, times in given.items()
        }
        found["qualifiers-order"] = list(given)
    return found


def entity(identity, label=None, *statements, site="enwiki", language="en", kind="item"):
    """Return an entity; an empty mapping is a list, as PHP writes it."""
    claims = {}
    for found in statements:
        claims.setdefault(found["mainsnak"]["property"], []).append(found)
    return {
        "type": kind,
        "id": identity,
        "labels": {language: {"language": language, "value": label}} if label else [],
        "descriptions": [],
        "aliases": [],
        "claims": claims or [],
        "sitelinks": {site: {"site": site, "title": label or "", "badges": []}} if site else [],
        "pageid": 7,
        "ns": 0,
        "title": identity,
        "lastrevid": 9,
        "modified": "2022-01-01T00:00:00Z",
    }


def dump_text(*entities):
    """Return entities as a dump has them: an array, one a line."""
    lines = [json.dumps(found, separators=(",", ":"), ensure_ascii=False) for found in entities]
    return "[\n" + ",\n".join(lines) + "\n]\n"


def term(value, name=""):
    """Return a term of an answer: an item of its id, else an address or, as of a label, text."""
    if re.fullmatch(r"Q\w+", value) and not name.endswith("Label"):
        return {"type": "uri", "value": ENTITY + value}
    return {"type": "uri" if value.startswith("http://") else "literal", "value": value}


def answer_text(*rows):
    """Return rows of texts (and terms) as a SPARQL service answers, with all variables that occur."""
    variables = list(dict.fromkeys(name for row in rows for name in row))
    bindings = [
        {name: value if isinstance(value, dict) else term(value, name) for name, value in row.items()}
        for row in rows
    ]
    return json.dumps({"head": {"vars": variables}, "results": {"bindings": bindings}}, indent=2)


DATES = ["20190101", "20200101"]
TEMPLATES = (
    "Wikidata ID,Relation,Template\n"
    "P54,team,The team of <subject> is <object>.\n"
    "P6,head,<subject> is led by <object>.\n"
)
ANN = entity(
    "Q1", "Ann Lee",
    statement("P54", "Q12", "2015-07-01", "2019-07-01"),
    statement("P54", "Q10", "2019-07-01"),
    statement("P54", "Q11", "2014", rank="preferred"),
)  # fmt: skip
OSLO = entity("Q2", "Oslo", statement("P6", "Q20", "2015-10-21"))
BO = entity("Q3", "Bo", statement("P54", "Q10", "2019-03"))
CY = entity("Q4", "Cy", statement("P54", "Q10", "2017-03-01", "2019-02-01"))
NAMED = [
    entity("Q10", "Rovers", site=None),
    entity("Q11", "Norway"),
    entity("Q12", "Oslo F.C."),
    entity("Q20", "Eva"),
]
WORLD = [ANN, OSLO, BO, CY, *NAMED]
RECORDS = [
    ("20190101", "The team of Ann Lee is _X_.", ["Norway", "Oslo F.C."]),
    ("20190101", "The team of Cy is _X_.", ["Rovers"]),
    ("20190101", "Oslo is led by _X_.", ["Eva"]),
    ("20200101", "The team of Ann Lee is _X_.", ["Rovers", "Norway"]),
    ("20200101", "The team of Bo is _X_.", ["Rovers"]),
    ("20200101", "Oslo is led by _X_.", ["Eva"]),
]


def shown(records):
    return [(r["date"], r["query"], [answer["name"] for answer in r["answer"]]) for r in records]


def rows_of(entities):
    """Return the rows that the query of the documentation gives for entities."""
    names = {found["id"]: found["labels"]["en"]["value"] for found in entities}
    for subject in entities:
        for relation, statements in (subject["claims"] or {}).items():
            for number, found in enumerate(statements):
                value = found["mainsnak"]["datavalue"]["value"]["id"]
                row = {
                    "statement": f"http://www.wikidata.org/entity/statement/{subject['id']}-{relation}-{number}",
                    "subject": subject["id"],
                    "subjectLabel": names[subject["id"]],
                    "relation": f"http://www.wikidata.org/entity/{relation}",
                    "object": value,
                    "objectLabel": names[value],
                }
                for name, key in (("start", "P580"), ("end", "P582")):
                    for snak in found["qualifiers"].get(key, []):
                        time = snak["datavalue"]["value"]
                        text = time["time"].removeprefix("+").replace("-00", "-01")
                        row |= {name: text, f"{name}Precision": str(time["precision"])}
                yield row


def without(rows, *names):
    return [{key: value for key, value in row.items() if key not in names} for row in rows]
