"""Compare what each diff rule finds and misses on real pages, and write examples for manual review.

    python -m benchmarks.evidence.diff_rules FIRST.xml.bz2 LATER.xml.bz2 [LATER.xml.bz2 ...] --output FOLDER

The files are dumps of the same articles, sorted by date; consecutive dumps are compared. A rule finds a sentence of the
newer page if one of its pieces overlaps it, and misses it if only other rules find it. Writes counts.csv and
examples.csv. The examples are an equal number from each of three groups (all rules, tgl only, a published rule but not
tgl), selected by hash, each with the most similar sentence of the older page.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import pandas as pd

from tgl.core.tables.read import read_table
from tgl.snapshots.extract.pages import Shard, extract_pages
from tgl.text.diff.published import temporalwiki, ticwiki
from tgl.text.diff.sentences import new_sentences, split_sentences

RULES = {
    "tgl": lambda old, new: new_sentences(old, new, "en"),
    "temporalwiki": temporalwiki,
    "ticwiki": ticwiki,
}


@dataclass(frozen=True)
class Sentence:
    """A sentence that some rule finds new, with its position and the rules that find it."""

    dump: str
    title: str
    start: int
    text: str
    old_page: str
    rules: frozenset[str]

    @property
    def closest(self) -> str:
        """The most similar sentence of the older page."""
        before = [text for _, text in split_sentences(self.old_page, "en")]
        return "".join(get_close_matches(self.text, before, 1))

    @property
    def group(self) -> str:
        """The group from which examples are selected."""
        if self.rules == RULES.keys():
            return "all rules"
        if self.rules == {"tgl"}:
            return "tgl alone"
        return "not tgl" if "tgl" not in self.rules else "tgl and one other"


def texts(dump: str, scratch: Path) -> dict[int, tuple[str, str]]:
    """Return (title, text) of each page of a dump."""
    extract_pages([dump], scratch / "pages", Shard(0, None), say=lambda line: None)
    rows = read_table(scratch / "pages", "pages", ["page_id", "title", "text"]).to_pylist()
    return {row["page_id"]: (row["title"], row["text"]) for row in rows}


def found(dump: str, title: str, old: str, new: str) -> list[Sentence]:
    """Return the sentences of a page that some rule finds new."""
    pieces = {
        name: [(start, start + len(text)) for start, text in rule(old, new)] for name, rule in RULES.items()
    }
    sentences = []
    for start, text in split_sentences(new, "en"):
        end = start + len(text)
        rules = {
            name
            for name, spans in pieces.items()
            if any(begin < end and start < stop for begin, stop in spans)
        }
        if rules:
            sentences.append(Sentence(dump, title, start, text, old, frozenset(rules)))
    return sentences


def examples(sentences: list[Sentence], each: int) -> pd.DataFrame:
    """Return `each` sentences of each group, selected by hash."""
    rows = []
    for group in ("all rules", "tgl alone", "not tgl"):
        members = [sentence for sentence in sentences if sentence.group == group]
        members.sort(key=lambda s: hashlib.sha1(f"{s.dump}:{s.title}:{s.start}".encode()).digest())
        rows += [
            {
                "group": group,
                "dump": sentence.dump,
                "title": sentence.title,
                "found by": " ".join(sorted(sentence.rules)),
                "start": sentence.start,
                "sentence": sentence.text,
                "closest before": sentence.closest,
            }
            for sentence in members[:each]
        ]
    return pd.DataFrame(rows)


def main() -> None:
    """Compare and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dumps", nargs="+")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--each", type=int, default=10)
    options = parser.parse_args()
    if len(options.dumps) < 2:
        sys.exit("Found one dump, expected at least two")
    sentences, num_pages = [], 0
    with tempfile.TemporaryDirectory() as folder:
        by_dump = [texts(dump, Path(folder)) for dump in options.dumps]
    for dump, before, after in zip(options.dumps[1:], by_dump, by_dump[1:], strict=False):
        for page_id in sorted(before.keys() & after.keys()):
            (_, old), (title, new) = before[page_id], after[page_id]
            if old != new:
                num_pages += 1
                sentences += found(Path(dump).name.partition(".")[0], title, old, new)
    alone = Counter(next(iter(s.rules)) for s in sentences if len(s.rules) == 1)
    counts = pd.DataFrame(
        {
            "rule": name,
            "found": (number := sum(name in s.rules for s in sentences)),
            "missed": len(sentences) - number,
            "found by it alone": alone[name],
        }
        for name in RULES
    )
    options.output.mkdir(parents=True, exist_ok=True)
    counts.to_csv(options.output / "counts.csv", index=False)
    examples(sentences, options.each).to_csv(options.output / "examples.csv", index=False)
    print(f"{num_pages} changed pages, {len(sentences)} sentences found by some rule")
    print(counts.to_string(index=False))
    for rules, number in Counter(" ".join(sorted(s.rules)) for s in sentences).most_common():
        print(f"{number} found by {rules}")


if __name__ == "__main__":
    main()
