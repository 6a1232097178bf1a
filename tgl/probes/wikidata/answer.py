"""Read facts from a saved answer of a SPARQL service (application/sparql-results+json).

The variables are subject, subjectLabel, relation, object, objectLabel and start, and end if the fact ended. Optional
variables are startPrecision, endPrecision and statement. The variable statement groups the rows of one statement with
several times. docs/probes.md has the query; it selects the subjects, the language and the ranks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from tgl.core.errors import TglError
from tgl.probes.rows import read_records
from tgl.probes.wikidata.facts import Facts, item_number, one_line
from tgl.probes.wikidata.times import DAY, MONTH, YEAR, Time

_NEEDED = ("subject", "subjectLabel", "relation", "object", "objectLabel", "start")
_FAULTS = (ValueError, KeyError, TypeError, AttributeError)
_UNKNOWN = "/.well-known/genid/"  # marks an unknown value that is not a blank node


def is_answer(beginning: str) -> bool:
    """Return whether a file with these first characters is a SPARQL answer and not an entity dump."""
    return re.match(r'\s*\{\s*"(head|results)"', beginning) is not None


def read_answer(path: str | Path, facts: Facts) -> None:
    """Add the facts and labels of an answer to `facts`.

    Raises:
        TglError: A row cannot be read. The message names the file and the row.
    """
    statements: dict[object, list[dict]] = {}
    first_rows: list[int] = []
    for number, row in enumerate(_rows(path), 1):
        facts.counts["rows"] += 1
        try:
            key = row["statement"]["value"] if "statement" in row else number
            if key not in statements:
                first_rows.append(number)
            statements.setdefault(key, []).append(row)
        except _FAULTS as error:
            raise _no_row(path, number, error) from None
    for number, rows in zip(first_rows, statements.values(), strict=True):
        facts.counts["statements"] += 1
        try:
            reason = _add_statement(rows, facts)
        except _FAULTS as error:
            raise _no_row(path, number, error) from None
        if reason:
            facts.counts[reason] += 1


def _rows(path: str | Path) -> list[dict]:
    found = [record for _, record in read_records(path)]
    try:
        (answer,) = found
        variables, rows = answer["head"]["vars"], answer["results"]["bindings"]
        if lacking := [name for name in _NEEDED if name not in variables]:
            raise ValueError(f"no variable {', '.join(lacking)}")
        if not isinstance(rows, list):
            raise TypeError("results.bindings must be a list")
    except _FAULTS as error:
        raise TglError(
            f"{path}: not an answer of a SPARQL service with the variables {', '.join(_NEEDED)} ({error!r}). "
            "Run the query in docs/probes.md and save the answer as JSON"
        ) from None
    return rows


def _no_row(path: str | Path, number: int, error: Exception) -> TglError:
    return TglError(
        f"{path}, row {number}: {error!r}. Expected terms with type and value: {', '.join(_NEEDED)}"
    )


def _add_statement(rows: list[dict], facts: Facts) -> str | None:
    """Add the rows of a statement; return None, or the reason if it is discarded."""
    row = rows[0]
    relation, subject = _name(row["relation"]), _name(row["subject"])
    if relation not in facts.relations:
        return "other_relation"
    if not subject.startswith("Q"):
        return "subject_not_an_item"
    label = _label(row, "subject", subject)
    if not label:
        return "subject_without_label"
    if _is_unknown(row["object"]):
        return "value_unknown"
    value = _name(row["object"])
    if row["object"]["type"] != "uri" or not value.startswith("Q"):
        return "value_not_an_item"
    starts, ends = (
        dict.fromkeys(_time(row, name) for row in rows if name in row) for name in ("start", "end")
    )
    number = item_number(subject)
    reason = facts.add((relation, number), item_number(value), starts, ends=ends, has_point=False)
    if reason is None:
        facts.labels[number] = label
        if label := _label(row, "object", value):
            facts.labels[item_number(value)] = label
    return reason


def _name(term: Mapping) -> str:
    """Return Q42 for http://www.wikidata.org/entity/Q42, and P54 for any of the addresses of a property."""
    return term["value"].rpartition("/")[2]


def _label(row: Mapping, name: str, identity: str) -> str:
    """Return a label, or "" if there is none; in that case the service returns the id as label."""
    label = one_line(row[f"{name}Label"]["value"]) if f"{name}Label" in row else ""
    return "" if label == identity else label


def _is_unknown(term: Mapping) -> bool:
    return term["type"] == "bnode" or (term["type"] == "uri" and _UNKNOWN in term["value"])


def _time(row: Mapping, name: str) -> Time:
    """Return a time. Without precision, 1 January means the year, and the first of another month means that month."""
    if _is_unknown(row[name]):
        return None
    time = row[name]["value"]
    if f"{name}Precision" in row:
        precision = row[f"{name}Precision"]["value"]
        if not (isinstance(precision, str) and re.fullmatch("[0-9]{1,2}", precision)):
            raise ValueError(f"{name}Precision: found {precision!r}, expected a number such as 11")
        return time, int(precision)
    return time, YEAR if "-01-01T" in time else MONTH if "-01T" in time else DAY
