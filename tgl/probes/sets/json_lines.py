"""Take probes of one's own from a file: sentences with a span, or dated queries with answers as in TempLAMA."""

from __future__ import annotations

import datetime
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

from tgl.core.errors import TglError
from tgl.core.vocabulary import HELD_OUT, UPDATED
from tgl.probes.fill import answer_of, same_text, with_candidates
from tgl.probes.given import read_probes
from tgl.probes.probe_set import Inputs, ProbeSet
from tgl.probes.rows import read_records, split_of
from tgl.probes.sets.templama import templama_probes
from tgl.probes.settings import JsonLinesConfig, ProbesConfig
from tgl.snapshots.documents.document import page_id
from tgl.text.documents import part_of

NAME = "json_lines"


def json_lines_probes(
    own: JsonLinesConfig, dates: Sequence[str], settings: ProbesConfig, *, holdout_share: float = 0.0
) -> tuple[list[dict], Counter]:
    """Return the probes of a file for all periods, with splits and candidates.

    A record is either a sentence {text, span, kind, period, ...} (`tgl.probes.given`) or a query {query, answer, date}.
    A sentence without a period belongs to the only period. A sentence without a split gets that of its subject, or of
    its answer group if it has no subject: the one that another sentence states, or else a drawn one. A sentence whose
    `document` is held out of the training text is left out, because no training text states it.

    Args:
        own: The section `probes.json_lines`.
        dates: The dates of all snapshots.
        settings: The section `probes`.
        holdout_share: The share of documents that no training text contains.

    Returns:
        The rows of the table `probes`, and the counts.

    Raises:
        TglError: A record is wrong, its period is none, or both forms are in the file.
    """
    records = [record for _, record in read_records(own.file)]
    queries = sum("query" in record for record in records)
    if queries and queries < len(records):
        raise TglError(
            f"{own.file}: found {queries} queries and {len(records) - queries} sentences, expected one of the two forms"
        )
    if queries:
        pairs = pairs_of(own.file, {str(record.get("date")) for record in records}, dates)
        rows, counts = templama_probes(own.file, pairs, settings, name=NAME)
    else:
        read = read_probes(own.file)
        splits = _stated_splits(own.file, read, records)
        rows = [
            _row(own.file, row, dates, settings=settings, splits=splits)
            for row, record in zip(read, records, strict=True)
            if not _held_out(record, holdout_share)
        ]
        counts = Counter(f"{row['kind']}_probes" for row in rows)
        counts["records"], counts["held_out_documents"] = len(records), len(records) - len(rows)
    if without := sum(not row["relation"] for row in rows):
        counts["without_relation"] = without
    counts["with_old_answer"] = sum(bool(row["old_answer"]) for row in rows)
    return with_candidates(rows, own.candidates), counts


def _stated_splits(file: str, rows: Iterable[dict], records: Iterable[dict]) -> dict[str, str]:
    """Return the splits that records state, by subject. A split holds for all probes of its subject.

    Raises:
        TglError: The records of a subject state two splits.
    """
    found: dict[str, str] = {}
    for row, record in zip(rows, records, strict=True):
        split, subject = record.get("split"), _subject(row)
        if split and found.setdefault(subject, split) != split:
            raise TglError(
                f"{file}, probe '{row['id']}': found the split {split!r}, and {found[subject]!r} for another probe of "
                f"the subject '{subject}'; expected one split for a subject"
            )
    return found


def _subject(row: dict) -> str:
    return unicodedata.normalize("NFC", row["subject"] or row["answer_group"])


def _row(
    file: str, row: dict, dates: Sequence[str], *, settings: ProbesConfig, splits: dict[str, str]
) -> dict:
    periods = dates[1:]
    period = row["period"] or (periods[0] if len(periods) == 1 else "")
    if period not in periods:
        raise TglError(
            f"{file}, probe '{row['id']}': found the period {row['period']!r}, expected one of {', '.join(periods)}"
        )
    if row["old_answer"] and same_text(row["old_answer"], answer_of(row)):
        raise TglError(
            f"{file}, probe '{row['id']}': the old answer {row['old_answer']!r} is the answer; expected another one, "
            "or the kind 'unchanged' without an old answer"
        )
    split = splits.get(_subject(row)) or split_of(_subject(row), settings)
    return {**row, "id": f"{NAME}-{row['id']}", "set": NAME, "period": period, "split": split}


def _held_out(record: dict, holdout_share: float) -> bool:
    identity = record.get("document")
    return identity is not None and part_of(page_id(str(identity)), holdout_share) == HELD_OUT


def pairs_of(file: str, found: Iterable[str], dates: Sequence[str]) -> dict[str, list[str]]:
    """Return the two dates of each period as a file writes them: {period: [earlier, later]}.

    Args:
        file: The file, for messages.
        found: The dates in the file.
        dates: The dates of the snapshots, YYYYMMDD. A file may write 20210301 as 2021-03-01, 2021-Q1, 2021, March 1,
            2021 or March 01, 2021. A year or a quarter stands for a date only if it has no other.

    Raises:
        TglError: The file writes a date in none of these ways, or in two.
    """
    written = set(found)
    ways = {date: _spellings(date) for date in dates}
    common = Counter(way for spelled in ways.values() for way in spelled)
    names = {date: sorted(way for way in ways[date] & written if common[way] == 1) for date in dates}
    for date, chosen in names.items():
        if len(chosen) != 1:
            raise TglError(
                f"{file}: found {' and '.join(chosen) or 'no record'} for the date {date}; expected records of one of "
                f"the dates {', '.join(sorted(ways[date]))}; found {', '.join(sorted(written)[:8])}"
            )
    return {after: [names[before][0], names[after][0]] for before, after in pairwise(dates)}


def _spellings(date: str) -> set[str]:
    day = datetime.date(int(date[:4]), int(date[4:6]), int(date[6:]))
    quarter = f"{day.year}-Q{(day.month + 2) // 3}"
    words = {f"{day:%B} {day.day}, {day.year}", f"{day:%B %d}, {day.year}"}
    return {date, day.isoformat(), quarter, str(day.year), *words}


def _check(own: JsonLinesConfig, dates: list[str], settings: ProbesConfig) -> None:
    rows, counts = json_lines_probes(own, dates, settings)
    wanted = {split for split in ("validation", "test") if not any(row["split"] == split for row in rows)}
    if wanted:
        raise TglError(
            f"{own.file}: no probe has the split {' or '.join(sorted(wanted))} ({dict(counts)}); expected some of "
            "each. Give more probes or other shares"
        )
    if not any(row["kind"] == UPDATED for row in rows):
        raise TglError(f"{own.file}: no probe has the kind '{UPDATED}', from which plans are made. Add some")


def _make(inputs: Inputs) -> tuple[list[dict], Counter]:
    return json_lines_probes(inputs.own, inputs.dates, inputs.settings, holdout_share=inputs.holdout_share)


PROBE_SET = ProbeSet(_make, JsonLinesConfig, files=("file",), check=_check)
