"""Stage `snapshot_probes`: make probes from the sentences of one shard in one period.

Memory holds the candidates, but never the text of more than a few hundred pages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from heapq import nsmallest
from pathlib import Path

import numpy as np

from tgl.core.tables.read import check_unique, iter_rows
from tgl.core.tables.write import write_table
from tgl.probes.fill import with_candidates, with_common_relations
from tgl.probes.from_text.candidates import (
    Candidate,
    Mentioned,
    mentioning_sentences,
    unchanged_values,
    updated_values,
)
from tgl.probes.from_text.choose import Choice, drawn, merged
from tgl.probes.from_text.phrases import load_pipeline, noun_phrases, phrase_candidate
from tgl.probes.from_text.shard import PAGE, Tables, among, page_ids
from tgl.probes.from_text.teachers import Teachers
from tgl.probes.probe_set import Inputs, ProbeSet
from tgl.probes.rows import split_of
from tgl.probes.settings import ProbesConfig, SnapshotProbesConfig
from tgl.probes.spans import values_of
from tgl.text.diff.stage import joined, page_rows
from tgl.text.documents import part_of
from tgl.text.withheld import digest

# Candidates sampled for each possible probe: parsed sentences of a new page, pages with unchanged values, and the
# values of each of these pages.
_DRAWN = 4


def write_snapshot_probes(
    tables: Tables,
    period: str,
    settings: ProbesConfig,
    *,
    language: str,
    holdout_share: float,
    output: str | Path,
) -> dict[str, int]:
    """Write the table `probes` of one shard and period.

    The table also stores the teaching sentences of each probe, which are needed to merge shards. For each kind, the
    count of examined values or sentences is the sum of the used ones and of those discarded for each reason. For
    `unchanged` the counts cover only the sampled pages.

    Args:
        tables: The tables of the shard.
        period: The period of the probes.
        settings: The section `probes` of the configuration.
        language: The language code for sentence splitting.
        holdout_share: The share of pages that no training text contains.
        output: The table to write.

    Returns:
        The counts.

    Raises:
        TglError: spaCy or its pipeline is missing.
    """
    counts: Counter = Counter()
    base = tables.base_ids()
    found = _changed_candidates(
        tables, base, settings, language=language, holdout_share=holdout_share, counts=counts
    )
    teachers = Teachers(found)
    for row in iter_rows(tables.diff, "diff", ["page_id", "text"]):
        if part_of(row["page_id"], holdout_share) == "train":
            teachers.add_sentence(row["page_id"], row["text"])
    chosen = _Chosen(period, settings, counts)
    for candidate in found:
        chosen.take(candidate)
    wanted = chosen.updated
    unchanged = _unchanged_candidates(
        tables,
        base,
        wanted.total(),
        chosen=chosen,
        language=language,
        holdout_share=holdout_share,
    )
    chosen.take_wanted(unchanged, wanted)
    check_unique((row["id"] for row in chosen.rows), str(output))
    write_table(chosen.rows, output, "probes", counts=dict(sorted(counts.items())), about=chosen.digests)
    return counts


class _Chosen:
    """The kept rows, with the digests of the sentence and of the teaching sentences of each, by id."""

    def __init__(self, period: str, settings: ProbesConfig, counts: Counter) -> None:
        self.rows: list[dict] = []
        self.digests: dict[str, dict] = {"sentence": {}, "taught_by": {}}
        self.period, self.settings, self.counts = period, settings, counts
        self.updated: Counter = Counter()  # what the chosen updated values are: numbers or links
        self._choice = Choice(settings.snapshots)

    def take(self, candidate: Candidate) -> bool:
        row = _row(candidate, self.period, self.settings)
        sentence = digest(candidate.sentence)
        reason = self._choice.take(row, sentence, candidate.taught_by)
        self.counts[f"{candidate.kind}: {reason or 'used'}"] += 1
        if not reason:
            self.rows.append(row)
            self.updated[candidate.relation] += candidate.kind == "updated"
            self.digests["sentence"][row["id"]] = sentence
            self.digests["taught_by"][row["id"]] = sorted(candidate.taught_by)
        return not reason

    def take_wanted(self, candidates: list[Candidate], wanted: Counter) -> None:
        """Take the wanted number of each relation, then fill up with any relation to the same total."""
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
                self.counts[f"{candidate.kind}: enough"] += 1
            elif self.take(candidate):
                left -= 1


def _changed_candidates(
    tables: Tables,
    base: np.ndarray,
    settings: ProbesConfig,
    *,
    language: str,
    holdout_share: float,
    counts: Counter,
) -> list[Candidate]:
    """Return the candidates of changed pages, then those of new pages."""
    pipeline = load_pipeline(settings.snapshots.pipeline)
    updated: list[Candidate] = []

    def of_new_pages() -> Iterator[Mentioned]:
        for before, after, rows in tables.changes():
            held_out = part_of(after["page_id"], holdout_share) == "held_out"
            if before is None:
                if held_out or among(after["page_id"], base):
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
                updated.extend(updated_values(before, after, rows, language=language, counts=counts))

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
    *,
    chosen: _Chosen,
    language: str,
    holdout_share: float,
) -> list[Candidate]:
    """Return candidates of sampled pages that exist at both dates and in the base text, in hash order."""
    period, counts = chosen.period, chosen.counts
    max_per_page = chosen.settings.snapshots.max_per_page
    both = np.intersect1d(np.intersect1d(page_ids(tables.old), page_ids(tables.new)), base)
    eligible = (number for number in both.tolist() if part_of(number, holdout_share) == "train")
    pages = set(nsmallest(_DRAWN * wanted, eligible, key=lambda number: drawn(period, number)))
    base_text = tables.base_texts()
    found: list[Candidate] = []
    if pages:
        for before, after in joined(page_rows(tables.old, PAGE), page_rows(tables.new, PAGE)):
            if before is not None and after is not None and after["page_id"] in pages:
                text = base_text(after["page_id"])
                every = list(unchanged_values(text, before, after, language=language, counts=counts))
                kept = _drawn(every, max_per_page, lambda candidate: candidate.sentence)
                counts["unchanged: not_drawn"] += len(every) - len(kept)
                found += kept
        teachers = Teachers(found)
        for row in page_rows(tables.old, ["page_id", "text"]):
            if part_of(row["page_id"], holdout_share) == "train":
                teachers.add_page(row["page_id"], row["text"], language)
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
        "relation": candidate.relation_in_words,
        "subject": candidate.subject.name,
        "text": candidate.sentence,
        "span_start": candidate.start,
        "span_end": candidate.end,
        "answer_group": identity,
        "split": split_of(candidate.subject.name, settings),
        "candidates": [],
        "old_answer": candidate.old_answer,
    }


def _make(inputs: Inputs) -> tuple[list[dict], Counter]:
    rows, counts = merged(inputs.files["snapshots"], inputs.settings.snapshots)
    return with_candidates(with_common_relations(rows), inputs.settings.snapshots.candidates), counts


PROBE_SET = ProbeSet(
    _make,
    SnapshotProbesConfig,
    needs="--snapshots FILE with the tables that `tgl snapshot-probes` writes",
)
