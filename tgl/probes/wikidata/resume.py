"""The state of a run through a dump, from which a run that was killed goes on.

A dump of Wikidata takes days to read. The state names the pass, the lines that it has read, and all that was collected.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from tgl.core.errors import TglError
from tgl.core.files import write_text
from tgl.core.json_text import read_json
from tgl.probes.wikidata.facts import Fact, Facts

# Seconds between two states.
EVERY = 600
Line = tuple[int, str]


class Resume:
    """Counts the lines of two passes through a dump and saves what was collected.

    Args:
        path: The file of the state.
        key: What the state depends on. A state with another key is not used.
        facts: What was collected, updated in place when a state is loaded.
    """

    def __init__(self, path: Path, key: dict, facts: Facts) -> None:
        self.path, self.key, self.facts = path, json.loads(json.dumps(key)), facts
        # The pass and the number of its last line that has been read, with all that follows from it.
        self.place = (1, 0)
        self._saved = time.monotonic()

    def load(self) -> bool:
        """Load the state that an earlier run left. Returns whether there is one for this run."""
        if not self.path.is_file():
            return False
        try:
            state = read_json(self.path, dict)
            if state["key"] != self.key:
                return False
            facts = [
                Fact((relation, subject), item, tuple(days))
                for relation, subject, item, days in state["facts"]
            ]
            labels = {int(item): label for item, label in state["labels"].items()}
            not_whole = {(relation, subject) for relation, subject in state["not_whole"]}
            place = (int(state["pass"]), int(state["line"]))
            counts = dict(state["counts"])
        except (TglError, KeyError, TypeError, ValueError, AttributeError):
            return False  # a damaged state: everything is read again
        self.facts.facts[:], self.facts.labels, self.facts.not_whole = facts, labels, not_whole
        self.facts.counts.clear()
        self.facts.counts.update(counts)
        self.place = place
        return True

    def lines(self, number: int, entities: Iterable[Line]) -> Iterator[Line]:
        """Yield the entities of a pass that earlier runs have not read, and save the state every ten minutes."""
        if number < self.place[0]:
            return
        begun = self.place[1] if number == self.place[0] else 0
        for line, text in entities:
            if line > begun:
                yield line, text
                self.place = (number, line)
                if time.monotonic() - self._saved > EVERY:
                    self.save()
        self.place = (number + 1, 0)
        self.save()

    def save(self) -> None:
        """Write the state."""
        facts = [[*fact.query, fact.object, fact.days] for fact in self.facts.facts]
        state = {
            "key": self.key, "pass": self.place[0], "line": self.place[1], "counts": self.facts.counts,
            "labels": self.facts.labels, "not_whole": sorted(self.facts.not_whole), "facts": facts,
        }  # fmt: skip
        write_text(self.path, json.dumps(state, ensure_ascii=False))
        self._saved = time.monotonic()

    def finish(self) -> None:
        """Remove the state."""
        self.path.unlink(missing_ok=True)
