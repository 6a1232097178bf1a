"""Which candidates become probes, when the sentence of each is withheld from the text that teaches the others."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

from tgl.config_probes import SnapshotProbesConfig
from tgl.tables import read_about, read_counts, read_table


def merged(paths: Iterable[str | Path], settings: SnapshotProbesConfig) -> tuple[list[dict], Counter]:
    """Return (rows of `probes`, counts) of all shards and periods, chosen from once more together.

    A sentence withheld in one may be what teaches in another. Tables earlier in `paths` come first.
    """
    choice, kept, counts = Choice(settings), [], Counter()
    for path in paths:
        counts.update(read_counts(path))
        digests = read_about(path)
        for row in read_table(path, "probes").to_pylist():
            if reason := choice.take(row, digests["sentence"][row["id"]], digests["taught_by"][row["id"]]):
                counts[f"{row['kind']}: used"] -= 1
                counts[f"{row['kind']}: {reason}"] += 1
            else:
                kept.append(row)
    return kept, counts


class Choice:
    """What was kept so far: `take` keeps one more row, or says why not.

    A row is kept when a sentence that teaches it is left, and when no row kept before needs its own sentence as the
    last one: greedy, so that of two that need each other the first is kept.
    """

    def __init__(self, settings: SnapshotProbesConfig) -> None:
        self._settings = settings
        self._sentences: set[str] = set()
        self._answers: set[tuple[str, str, str]] = set()
        self._of_page: Counter = Counter()
        self._teachers: dict[str, set[str]] = {}  # of each row kept, what is left of them
        self._needed: dict[str, list[str]] = defaultdict(list)  # rows kept, by the sentences that teach them

    def take(self, row: dict, sentence: str, taught_by: Iterable[str]) -> str | None:
        """Keep a row of `probes` and return None, or return the reason it is left out.

        sentence: the digest of its own sentence; taught_by: those of other sentences of training text that speak of
        what it asks for.
        """
        settings = self._settings
        answer = (row["subject"], row["text"][row["span_start"] : row["span_end"]], row["kind"])
        page = (row["id"].rsplit("-", 2)[0], row["kind"])
        if sentence in self._sentences:
            return "same_sentence"
        if answer in self._answers:
            return "same_answer"
        if self._of_page[page] >= settings.max_per_page:
            return "page_has_enough"
        needs = settings.withhold if row["kind"] == "unchanged" else settings.taught
        gone = self._sentences if settings.withhold else set()
        left = set(taught_by) - gone - {sentence}
        if needs and not left:
            return "not_known" if row["kind"] == "unchanged" else "not_taught"
        if settings.withhold and any(self._teachers[other] == {sentence} for other in self._needed[sentence]):
            return "teaches_another"
        if settings.withhold:
            for other in self._needed[sentence]:
                self._teachers[other].discard(sentence)
        if needs:
            self._teachers[row["id"]] = left
            for teacher in left:
                self._needed[teacher].append(row["id"])
        self._sentences.add(sentence)
        self._answers.add(answer)
        self._of_page[page] += 1
        return None


def drawn(*key: object) -> str:
    """Return a hash to put things in a random order by."""
    return hashlib.sha1(":".join(map(str, key)).encode()).hexdigest()
