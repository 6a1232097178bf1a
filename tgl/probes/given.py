"""Probes from a file: the table `probes`, or JSON lines that anyone can write by hand.

A line holds `text`, and its span as `span` (its last occurrence is taken) or as `span_start` and `span_end`, in
characters; `kind` is updated, new_entity or unchanged. Optional, null for none: id, period, relation, subject,
answer_group, candidates and split (validation).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tgl.errors import TglError, nearest
from tgl.probes.rows import read_records
from tgl.schemas import SCHEMAS
from tgl.tables import read_table, to_arrow

KINDS = ("updated", "new_entity", "unchanged", "new")
SPLITS = ("train", "validation", "test")
_OPTIONAL = {
    **dict.fromkeys(("id", "set", "period", "relation", "subject", "answer_group"), str),
    "candidates": list,
}
_KNOWN = {*SCHEMAS["probes"].names, "span"}


def read_probes(path: str | Path) -> list[dict]:
    """Return the rows of the table `probes`. Raises TglError naming file, line and key of what is wrong."""
    if Path(path).suffix == ".parquet":
        return read_table(path, "probes").to_pylist()
    rows = [_row(path, number, record) for number, record in read_records(path)]
    if not rows:
        raise TglError(f"{path}: no probe found; expected one JSON object a line with text, span and kind")
    seen: set[str] = set()
    for row in rows:
        if row["id"] in seen:
            raise TglError(f"{path}: the id '{row['id']}' occurs twice")
        seen.add(row["id"])
    return to_arrow(rows, "probes").to_pylist()


def _row(path: str | Path, number: int, record: Mapping) -> dict:
    where = f"{path}, record {number}"
    for key in record:
        if key not in _KNOWN:
            raise TglError(
                f"{where}: unknown key '{key}'{nearest(key, _KNOWN)}; known: {', '.join(sorted(_KNOWN))}"
            )
    # null is what tables write for nothing; ids and periods are often written as numbers
    record = {key: value for key, value in record.items() if value is not None}
    record |= {key: str(record[key]) for key in ("id", "period") if type(record.get(key)) is int}
    text, kind = record.get("text"), record.get("kind")
    if not isinstance(text, str) or not text:
        raise TglError(f"{where}: 'text' must be a sentence, found {text!r}")
    if kind not in KINDS:
        raise TglError(f"{where}: 'kind' must be one of {', '.join(KINDS)}, found {kind!r}")
    if "span" in record:
        span = record["span"]
        start = text.rfind(span) if isinstance(span, str) and span else -1
        if start < 0:
            raise TglError(f"{where}: the span {span!r} does not occur in the text {text!r}")
        end = start + len(span)
    else:
        start, end = record.get("span_start"), record.get("span_end")
        # a flag is a whole number to Python
        if not (type(start) is int and type(end) is int and 0 <= start < end <= len(text)):
            raise TglError(
                f"{where}: 'span', or 'span_start' and 'span_end' inside a text of {len(text)} characters, expected; "
                f"found {start!r} and {end!r}"
            )
    for key, kind in _OPTIONAL.items():
        if not isinstance(record.get(key, kind()), kind):
            expected = "a list of texts" if kind is list else "a text"
            raise TglError(f"{where}: '{key}' must be {expected}, found {record[key]!r}")
    if record.get("split", "validation") not in SPLITS:
        raise TglError(f"{where}: 'split' must be one of {', '.join(SPLITS)}, found {record['split']!r}")
    if not all(isinstance(answer, str) for answer in record.get("candidates", [])):
        raise TglError(f"{where}: 'candidates' must be a list of texts, found {record['candidates']!r}")
    identity = record.get("id", f"line{number}")
    return {
        "id": identity,
        "set": record.get("set", "given"),
        "kind": record["kind"],
        "period": record.get("period", ""),
        "relation": record.get("relation", ""),
        "subject": record.get("subject", ""),
        "text": text,
        "span_start": start,
        "span_end": end,
        "answer_group": record.get("answer_group", identity),
        "split": record.get("split", "validation"),
        "candidates": record.get("candidates", []),
    }
