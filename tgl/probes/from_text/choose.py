"""Choose the candidates that become probes while the sentence of each probe is withheld from training text."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

from tgl.core.tables.read import read_about, read_counts, read_table
from tgl.probes.settings import SnapshotProbesConfig


def merged(paths: Iterable[str | Path], settings: SnapshotProbesConfig) -> tuple[list[dict], Counter]:
    """Merge the tables of all shards and periods, and choose again from all rows together.

    A sentence that is withheld in one shard may be a teaching sentence in another. Earlier tables in `paths` take
    precedence.

    Args:
        paths: The tables that the stage `snapshot_probes` writes.
        settings: The section `probes.snapshots` of the configuration.

    Returns:
        The rows of the table `probes`, and the counts.
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
    """Keep rows one by one, and remember what was kept.

    A row is kept if at least one of its teaching sentences remains in the training text and no kept row depends on the
    row's own sentence alone. The choice is greedy: of two rows that depend on each other the first is kept.
    """

    def __init__(self, settings: SnapshotProbesConfig) -> None:
        self._settings = settings
        self._sentences: set[str] = set()
        self._answers: set[tuple[str, str, str]] = set()
        self._of_page: Counter = Counter()
        self._teachers: dict[str, set[str]] = {}  # by kept row: the teaching sentences that remain
        self._needed: dict[str, list[str]] = defaultdict(list)  # kept rows, by teaching sentence

    def take(self, row: dict, sentence: str, taught_by: Iterable[str]) -> str | None:
        """Keep a row of the table `probes`, or return why it is rejected.

        Args:
            row: The row of the table `probes`.
            sentence: The digest of the row's own sentence.
            taught_by: The digests of other training sentences that state the value or entity of the row.

        Returns:
            None if the row is kept, else the reason.
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
    """Return a hash by which things are put in a pseudo-random order."""
    return hashlib.sha1(":".join(map(str, key)).encode()).hexdigest()
