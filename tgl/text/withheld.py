"""Remove from training text the sentences that probes ask about."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from pathlib import Path

from tgl.core.tables.read import read_table
from tgl.text.diff.sentences import sentence_key, split_sentences

_OPENING = "([{\"'“‘«"


def digest(sentence: str) -> str:
    """Return the normalised key that identifies a sentence, as a short hash."""
    return hashlib.sha1(sentence_key(sentence).encode()).hexdigest()[:16]


class Withheld:
    """Remove the sentences of the probes of the set `snapshots` from texts.

    Sentence boundaries depend on the context. If a piece of text contains such a sentence, the whole piece is removed.

    Attributes:
        counts: The number of removed pieces, as `withheld_sentences`.
    """

    def __init__(self, probes: str | Path, language: str) -> None:
        table = read_table(probes, "probes", ["set", "text"]).to_pylist()
        self._keys = frozenset(sentence_key(row["text"]) for row in table if row["set"] == "snapshots")
        self._by_beginning: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for key in self._keys:
            self._by_beginning[tuple(key.split(" ")[:2])].append(key)
        self._language = language
        self.counts = {"withheld_sentences": 0}

    def __call__(self, text: str) -> str:
        """Return a text without these sentences, and without lines that contained nothing else."""
        return "\n".join(line for line in map(self._line, text.split("\n")) if line is not None)

    def _line(self, line: str) -> str | None:
        if sentence_key(line) in self._keys:
            self.counts["withheld_sentences"] += 1
            return None
        folded = " ".join(line.split())
        cuts = [
            (start, start + len(sentence))
            for start, sentence in split_sentences(folded, self._language)
            if self._holds_one(sentence)
        ]
        if not cuts:
            return line
        self.counts["withheld_sentences"] += len(cuts)
        for start, end in reversed(cuts):
            folded = folded[:start] + folded[end:].removeprefix(" ")
        return folded.rstrip() or None

    def _holds_one(self, piece: str) -> bool:
        """Return whether a piece is or contains such a sentence, for example after "Inc." or in brackets."""
        key = sentence_key(piece)
        if key in self._keys:
            return True
        words = [word.lstrip(_OPENING) for word in key.split(" ")]
        return any(
            found in key
            for beginning in zip(words, words[1:], strict=False)
            for found in self._by_beginning.get(beginning, ())
        )
