"""Remove from training text the sentences that probes ask about."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from tgl.core.tables.read import read_table
from tgl.text.diff.sentences import sentence_key, split_sentences

_FIRST = 4  # characters by which sentences of one word are found
_OPENING = "([{\"'“‘«"


def digest(sentence: str) -> str:
    """Return the normalised key that identifies a sentence, as a short hash."""
    return hashlib.sha1(sentence_key(sentence).encode()).hexdigest()[:16]


class Withheld:
    """Remove the sentences of the probes of the set `snapshots` from texts.

    Sentence boundaries depend on the context. If a piece of text contains such a sentence, the whole piece is removed.

    Attributes:
        counts: The number of removed pieces, as `withheld_sentences`.
        removed: How often each piece was removed, by (probe id, piece), if `keep` is true.
    """

    def __init__(self, probes: str | Path, language: str, *, keep: bool = False) -> None:
        self._ids: dict[str, list[str]] = defaultdict(list)
        for row in read_table(probes, "probes", ["id", "set", "text"]).to_pylist():
            if row["set"] == "snapshots":
                self._ids[sentence_key(row["text"])].append(row["id"])
        self._by_beginning: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for key in self._ids:
            self._by_beginning[_words(key)[:2]].append(key)
        self._of_one_word: dict[str, list[str]] = defaultdict(list)
        self._short = [key for key in self._ids if " " not in key and len(key) < _FIRST]
        for key in self._ids:
            if " " not in key and len(key) >= _FIRST:
                self._of_one_word[key[:_FIRST]].append(key)
        self._language, self._keep = language, keep
        self.counts = {"withheld_sentences": 0}
        self.removed: Counter[tuple[str, str]] = Counter()

    def __call__(self, text: str) -> str:
        """Return a text without these sentences, and without lines that contained nothing else."""
        return "\n".join(line for line in map(self._line, text.split("\n")) if line is not None)

    def rows(self) -> Iterator[dict]:
        """Yield the rows of the table `withheld`: what was removed so far."""
        for (probe, text), times in self.removed.items():
            yield {"probe": probe, "text": text, "times": times}

    def _line(self, line: str) -> str | None:
        if keys := self._ids.keys() & {sentence_key(line)}:
            self._remove(line, keys)
            return None
        folded = " ".join(line.split())
        cuts = []
        for start, sentence in split_sentences(folded, self._language):
            if keys := self._held_by(sentence):
                self._remove(sentence, keys)
                cuts.append((start, start + len(sentence)))
        if not cuts:
            return line
        for start, end in reversed(cuts):
            folded = folded[:start] + folded[end:].removeprefix(" ")
        return folded.rstrip() or None

    def _remove(self, piece: str, keys: Iterable[str]) -> None:
        self.counts["withheld_sentences"] += 1
        if self._keep:
            self.removed.update((probe, piece.strip()) for key in sorted(keys) for probe in self._ids[key])

    def _held_by(self, piece: str) -> set[str]:
        """Return the sentences that a piece is or contains, for example after "Inc." or in brackets, as keys."""
        key = sentence_key(piece)
        if key in self._ids:
            return {key}
        words = _words(key)
        found = {
            found
            for beginning in zip(words, words[1:], strict=False)
            for found in self._by_beginning.get(beginning, ())
            if found in key
        }
        # A sentence without spaces, as in Chinese, has one word, which can begin anywhere.
        if self._of_one_word:
            starts = {key[place : place + _FIRST] for place in range(len(key))}
            found |= {one for start in starts for one in self._of_one_word.get(start, ()) if one in key}
        return found.union(one for one in self._short if one in key)


def _words(key: str) -> tuple[str, ...]:
    """Return the words of a sentence's key without the brackets and quotes before them."""
    return tuple(word.lstrip(_OPENING) for word in key.split(" "))
