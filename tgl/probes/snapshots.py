"""Stage `snapshot_probes`: probes made of one shard's own sentences in one period.

Memory holds candidates, never the text of more than a few hundred pages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from heapq import nsmallest
from itertools import groupby
from pathlib import Path

import numpy as np

from tgl.config_probes import ProbesConfig
from tgl.diff.snapshots import joined, page_rows
from tgl.errors import TglError
from tgl.probes.candidates import (
    Candidate,
    Mentioned,
    mentioning_sentences,
    unchanged_values,
    updated_values,
)
from tgl.probes.choose import Choice, drawn
from tgl.probes.phrases import load_pipeline, noun_phrases, phrase_candidate
from tgl.probes.rows import split_of
from tgl.probes.spans import values_of
from tgl.probes.teachers import Teachers
from tgl.schemas import SCHEMAS
from tgl.tables import RowGroups, check_unique, iter_rows, read_table, write_table
from tgl.text.documents import part_of
from tgl.text.withheld import digest

_PAGE = ["page_id", "title", "text", "links"]
# For each probe that may come of them: sentences parsed of a new page, pages and of these values that stayed.
_DRAWN = 4


@dataclass(frozen=True)
class Tables:
    """The tables of one shard: `pages` of both dates and `diff`; `base`: the tables `pages` of the base text."""

    old: str | Path
    new: str | Path
    diff: str | Path
    base: tuple[str | Path, ...]

    def changes(self) -> Iterator[tuple[dict | None, dict, list[dict]]]:
        """Yield (old row, new row, rows of `diff`) of each page that `diff` speaks of."""
        groups = groupby(iter_rows(self.diff, "diff", SCHEMAS["diff"].names), lambda row: row["page_id"])
        changed, rows = next(groups, (None, ()))
        for before, after in joined(page_rows(self.old, _PAGE), page_rows(self.new, _PAGE)):
            if after is not None and after["page_id"] == changed:
                yield before, after, list(rows)
                changed, rows = next(groups, (None, ()))

    def base_ids(self) -> np.ndarray:
        """Return the ids of all pages of the base text, sorted."""
        return np.unique(np.concatenate([_page_ids(path) for path in self.base]))

    def base_texts(self) -> Callable[[int], str]:
        """Return what gives the base text of a page; asked for rising ids it holds one row group a table."""
        tables = [(_page_ids(path), RowGroups(path, "pages", ["text"])) for path in self.base]

        def text(page_id: int) -> str:
            (found,) = (
                groups.take([int(np.searchsorted(ids, page_id))])["text"][0].as_py()
                for ids, groups in tables
                if _among(page_id, ids)
            )
            return found

        return text


def write_snapshot_probes(
    tables: Tables,
    period: str,
    settings: ProbesConfig,
    language: str,
    holdout_share: float,
    output: str | Path,
) -> dict[str, int]:
    """Write the table `probes` of one shard and period, and return its counts.

    Of each kind, the values or sentences looked at (of `unchanged`: on the pages drawn) add up to those used and each
    reason. The table also says which sentences teach each probe, so that shards can be put together. Raises TglError
    where spaCy or its pipeline is missing.
    """
    counts: Counter = Counter()
    base = tables.base_ids()
    found = _changed_candidates(tables, base, settings, language, holdout_share, counts)
    teachers = Teachers(found)
    for row in iter_rows(tables.diff, "diff", ["page_id", "text"]):
        if part_of(row["page_id"], holdout_share) == "train":
            teachers.look(row["page_id"], row["text"])
    chosen = _Chosen(period, settings, counts)
    for candidate in found:
        chosen.take(candidate)
    wanted = Counter(row["relation"] for row in chosen.rows if row["kind"] == "updated")
    most = settings.snapshots.max_per_page
    unchanged = _unchanged_candidates(
        tables, base, wanted.total(), period, most, language, holdout_share, counts
    )
    chosen.take_so_many(unchanged, wanted)
    check_unique((row["id"] for row in chosen.rows), str(output))
    write_table(chosen.rows, output, "probes", dict(sorted(counts.items())), chosen.digests)
    return counts


class _Chosen:
    """The rows kept; of each, by its id, the digest of its sentence and of those that teach it."""

    def __init__(self, period: str, settings: ProbesConfig, counts: Counter) -> None:
        self.rows: list[dict] = []
        self.digests: dict[str, dict] = {"sentence": {}, "taught_by": {}}
        self._period, self._settings, self._counts = period, settings, counts
        self._choice = Choice(settings.snapshots)

    def take(self, candidate: Candidate) -> bool:
        row = _row(candidate, self._period, self._settings)
        sentence = digest(candidate.sentence)
        reason = self._choice.take(row, sentence, candidate.taught_by)
        self._counts[f"{candidate.kind}: {reason or 'used'}"] += 1
        if not reason:
            self.rows.append(row)
            self.digests["sentence"][row["id"]] = sentence
            self.digests["taught_by"][row["id"]] = sorted(candidate.taught_by)
        return not reason

    def take_so_many(self, candidates: list[Candidate], wanted: Counter) -> None:
        """Take as many of each relation as wanted, then of any relation until there are as many in all."""
        left, most = wanted.total(), wanted.copy()
        later = []
        for candidate in candidates:
            if not most[candidate.relation]:
                later.append(candidate)
            elif self.take(candidate):
                most[candidate.relation] -= 1
                left -= 1
        for candidate in later:
            if not left:
                self._counts[f"{candidate.kind}: enough"] += 1
            elif self.take(candidate):
                left -= 1


def _changed_candidates(
    tables: Tables,
    base: np.ndarray,
    settings: ProbesConfig,
    language: str,
    holdout_share: float,
    counts: Counter,
) -> list[Candidate]:
    """Return candidates of changed pages, then of new pages."""
    pipeline = load_pipeline(settings.snapshots.pipeline)
    updated: list[Candidate] = []

    def of_new_pages() -> Iterator[Mentioned]:
        for before, after, rows in tables.changes():
            held_out = part_of(after["page_id"], holdout_share) == "held_out"
            if before is None:
                if held_out or _among(after["page_id"], base):
                    reason = "held_out" if held_out else "page_in_base_text"
                    counts["new_entity: sentences"] += len(rows)
                    counts[f"new_entity: {reason}"] += len(rows)
                else:
                    found = list(mentioning_sentences(after, rows, counts))
                    kept = _drawn(found, settings.snapshots.max_per_page, lambda sentence: sentence.sentence)
                    counts["new_entity: not_drawn"] += len(found) - len(kept)
                    yield from kept
            elif held_out:
                number = sum(len(values_of(row["text"], row["start"], after["links"])) for row in rows)
                counts["updated: values"] += number
                counts["updated: held_out"] += number
            else:
                updated.extend(updated_values(before, after, rows, language, counts))

    new = [
        candidate
        for sentence, phrases in noun_phrases(of_new_pages(), pipeline)
        if (candidate := phrase_candidate(sentence, phrases, counts))
    ]
    return updated + new


def _unchanged_candidates(
    tables: Tables,
    base: np.ndarray,
    wanted: int,
    period: str,
    max_per_page: int,
    language: str,
    holdout_share: float,
    counts: Counter,
) -> list[Candidate]:
    """Return candidates of some pages that stand at both dates and in the base text, in an order drawn by hash."""
    both = np.intersect1d(np.intersect1d(_page_ids(tables.old), _page_ids(tables.new)), base)
    eligible = (number for number in both.tolist() if part_of(number, holdout_share) == "train")
    pages = set(nsmallest(_DRAWN * wanted, eligible, key=lambda number: drawn(period, number)))
    base_text = tables.base_texts()
    found: list[Candidate] = []
    if pages:
        for before, after in joined(page_rows(tables.old, _PAGE), page_rows(tables.new, _PAGE)):
            if before is not None and after is not None and after["page_id"] in pages:
                text = base_text(after["page_id"])
                every = list(unchanged_values(text, before, after, language, counts))
                kept = _drawn(every, max_per_page, lambda candidate: candidate.sentence)
                counts["unchanged: not_drawn"] += len(every) - len(kept)
                found += kept
        teachers = Teachers(found)
        for row in page_rows(tables.old, ["page_id", "text"]):
            if part_of(row["page_id"], holdout_share) == "train":
                teachers.look_through(row["page_id"], row["text"], language)
    return sorted(found, key=lambda candidate: drawn(period, candidate.page_id, candidate.sentence))


def _drawn(found: list, probes: int, text: Callable[[object], str]) -> list:
    return nsmallest(_DRAWN * probes, found, key=lambda one: drawn(text(one)))


def _row(candidate: Candidate, period: str, settings: ProbesConfig) -> dict:
    place = candidate.place + candidate.start
    identity = f"snapshots-{period}-{candidate.page_id}-{candidate.kind}-{place}"
    return {
        "id": identity,
        "set": "snapshots",
        "kind": candidate.kind,
        "period": period,
        "relation": candidate.relation,
        "subject": candidate.subject.name,
        "text": candidate.sentence,
        "span_start": candidate.start,
        "span_end": candidate.end,
        "answer_group": identity,
        "split": split_of(candidate.subject.name, settings),
        "candidates": [],
    }


def _among(page_id: int, ids: np.ndarray) -> bool:
    place = int(np.searchsorted(ids, page_id))
    return place < len(ids) and int(ids[place]) == page_id


def _page_ids(path: str | Path) -> np.ndarray:
    ids = read_table(path, "pages", ["page_id"])["page_id"].to_numpy()
    if (ids[1:] <= ids[:-1]).any():
        raise TglError(f"{path}: page ids that do not rise found; expected a table of the stage pages")
    return ids
