"""Read the user's own probes: the table `probes`, JSON lines, or rows in Python.

A line or row has the keys `text` and `kind` (updated, new_entity or unchanged). The span is either `span`, whose last
occurrence as whole words is used, or `span_start` and `span_end` in characters, which decide if both are given.
Optional keys are id, period, relation, subject, answer_group, old_answer, candidates, document and split (default:
validation); null means missing. All three inputs pass the same checks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tgl.core.errors import TglError, nearest
from tgl.core.json_text import check_values
from tgl.core.schemas import SCHEMAS
from tgl.core.tables.read import check_unique, read_table
from tgl.core.tables.write import to_arrow
from tgl.core.vocabulary import PROBE_KINDS, SPLITS
from tgl.probes.from_text.mentions import whole_words
from tgl.probes.rows import read_records

_OPTIONAL = {
    **dict.fromkeys(("id", "set", "period", "relation", "subject", "answer_group", "old_answer"), str),
    "candidates": list,
}
# The id of the document that states a probe matters only in the workflow (`tgl.probes.sets.json_lines`).
_KNOWN = {*SCHEMAS["probes"].names, "span", "document"}


def read_probes(given: str | Path | Iterable[Mapping]) -> list[dict]:
    """Read probes from a file or from rows in Python.

    Args:
        given: The path of a file (.parquet or JSON lines), or an iterable of rows.

    Returns:
        The rows of the table `probes`.

    Raises:
        TglError: A row is wrong, or an id occurs twice. The message names the file, the record and the key.
    """
    where = str(given) if isinstance(given, str | Path) else "probes"
    if not isinstance(given, str | Path):
        records = _python_rows(given)
    elif Path(given).suffix == ".parquet":
        records = enumerate(read_table(given, "probes").to_pylist(), 1)
    else:
        records = read_records(given)
    rows = [_row(where, number, record) for number, record in records]
    if not rows:
        raise TglError(
            f"{where}: no probe found. Expected one JSON object on each line, with text, span and kind"
        )
    check_unique((row["id"] for row in rows), where)
    return to_arrow(rows, "probes").to_pylist()


def _python_rows(rows: object) -> Iterator[tuple[int, dict]]:
    """Yield (number, row) of rows in Python; values of numpy and pandas are converted to plain values."""
    wanted = "expected a file, or a list of rows with text, span and kind"
    if hasattr(rows, "to_dict") or hasattr(rows, "to_pylist"):  # iterating a table would yield its columns
        raise TglError(
            f"probes: found {type(rows).__name__}, {wanted}. Pass its rows: table.to_pylist(), or "
            "frame.to_dict('records')"
        )
    if isinstance(rows, Mapping | bytes) or not isinstance(rows, Iterable):
        raise TglError(f"probes: found {type(rows).__name__}, {wanted}")
    for number, row in enumerate(rows, 1):
        if not isinstance(row, Mapping):
            raise TglError(f"probes, record {number}: found {type(row).__name__}, expected a row as a dict")
        record = {str(key): _plain(value) for key, value in row.items()}
        try:
            check_values(record)
        except ValueError as error:
            raise TglError(f"probes, record {number}: cannot be stored ({error})") from None
        yield number, record


def _plain(value: object) -> object:
    """Return a value as JSON has it: numpy values and tuples as plain ones, and None for NaN."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, tuple):
        value = list(value)
    return None if isinstance(value, float) and value != value else value


def _last_place(text: str, span: str) -> int:
    """Return where a span occurs last as whole words, or else as a part of a word; -1 if it does not occur."""
    starts = [match.start() for match in re.finditer(whole_words(span), text)]
    return starts[-1] if starts else text.rfind(span)


def _row(source: str, number: int, record: Mapping) -> dict:
    where = f"{source}, record {number}"
    for key in record:
        if key not in _KNOWN:
            raise TglError(
                f"{where}: unknown key '{key}'{nearest(key, _KNOWN)}; known keys: {', '.join(sorted(_KNOWN))}"
            )
    # Tables write null for a missing value, and people often write ids and periods as numbers.
    record = {key: value for key, value in record.items() if value is not None}
    record |= {key: str(record[key]) for key in ("id", "period") if type(record.get(key)) is int}
    text, kind = record.get("text"), record.get("kind")
    if not isinstance(text, str) or not text:
        raise TglError(f"{where}: 'text' must be a sentence, found {text!r}")
    if kind not in PROBE_KINDS:
        raise TglError(f"{where}: 'kind' must be one of {', '.join(PROBE_KINDS)}, found {kind!r}")
    placed = "span_start" in record or "span_end" in record
    if "span" in record and not placed:
        span = record["span"]
        start = _last_place(text, span) if isinstance(span, str) and span else -1
        if start < 0:
            raise TglError(f"{where}: the span {span!r} does not occur in the text {text!r}")
        end = start + len(span)
    else:
        start, end = record.get("span_start"), record.get("span_end")
        # In Python a bool is also an int, so isinstance does not suffice.
        if not (type(start) is int and type(end) is int and 0 <= start < end <= len(text)):
            raise TglError(
                f"{where}: 'span', or 'span_start' and 'span_end' within a text of {len(text)} characters, must be "
                f"given; found {start!r} and {end!r}"
            )
        if record.get("span", text[start:end]) != text[start:end]:
            raise TglError(
                f"{where}: found the span {record['span']!r}, and {text[start:end]!r} at the characters {start} to "
                f"{end}; expected the same. Correct span_start and span_end, or leave them out"
            )
    for key, kind in _OPTIONAL.items():
        if not isinstance(record.get(key, kind()), kind):
            expected = "a list of strings" if kind is list else "a string"
            raise TglError(f"{where}: '{key}' must be {expected}, found {record[key]!r}")
    if record.get("split", "validation") not in SPLITS:
        raise TglError(f"{where}: 'split' must be one of {', '.join(SPLITS)}, found {record['split']!r}")
    if not all(isinstance(answer, str) for answer in record.get("candidates", [])):
        raise TglError(f"{where}: 'candidates' must be a list of strings, found {record['candidates']!r}")
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
        "old_answer": record.get("old_answer", ""),
    }
