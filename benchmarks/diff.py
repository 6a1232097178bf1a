"""Measure the cost of a later snapshot, and compare the diff of changed pages with difflib.

    python -m benchmarks.diff FIRST.xml.bz2 LATER.xml.bz2 [LATER.xml.bz2 ...]

The files are dumps of the same articles at several dates. To measure the cost, the pages of the first dump are repeated
under new ids, and every tenth article is changed. The lower bound is a scan of all pages plus the parsing of a tenth.
Each way to compare runs in a separate process. If it is killed for memory, its row reports that.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks.figures import cell, figure, over
from benchmarks.processes import Apart, Lost, in_turns
from tgl.core.tables.read import read_table
from tgl.snapshots.dumps.reader import RawPage, read_pages
from tgl.snapshots.dumps.revisions import revision_sha1
from tgl.snapshots.extract.pages import Shard, extract_pages
from tgl.snapshots.extract.settings import PagesConfig
from tgl.text.diff.published import ticwiki
from tgl.text.diff.sentences import new_sentences

EVERYTHING = Shard(0, None)


def ignore(text: str) -> None:
    """Discard a log line."""


def write_repeated(
    pages: list[RawPage], numbers: Iterable[int], changed: Callable[[int], bool], path: Path
) -> None:
    """Write the pages repeatedly, with the numbers as ids; a changed page has an additional sentence."""
    with open(path, "w", encoding="utf-8") as stream:
        stream.write("<mediawiki>\n")
        for number in numbers:
            page = pages[number % len(pages)]
            text = page.text + ("\nThis sentence was added." if changed(number) else "")
            escaped = text.replace("&", "&amp;").replace("<", "&lt;")
            stream.write(
                f"<page><title>T{number}</title><ns>0</ns><id>{number + 1}</id><revision><id>0</id><text>{escaped}"
                f"</text><sha1>{revision_sha1(text)}</sha1></revision></page>\n"
            )
        stream.write("</mediawiki>")


def seconds(function: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def incremental(first: str, times: int, rounds: int, scratch: Path) -> str:
    """Return the figure of a snapshot with a tenth of its pages changed, relative to its lower bound."""
    pages = [page for page in read_pages(first) if page.namespace == 0 and not page.is_redirect and page.text]
    old, new, tenth = scratch / "old.xml", scratch / "new.xml", scratch / "tenth.xml"
    everything = range(times * len(pages))
    write_repeated(pages, everything, lambda number: False, old)
    write_repeated(pages, everything, lambda number: number % 10 == 0, new)
    write_repeated(pages, everything[::10], lambda number: True, tenth)
    extract_pages([old], scratch / "old", EVERYTHING, say=ignore)
    taken: dict[str, list[float]] = {"incremental": [], "scan": [], "parse": [], "whole": []}
    for _ in range(rounds):
        taken["incremental"].append(
            seconds(
                lambda: extract_pages(
                    [new], scratch / "new", EVERYTHING, previous=scratch / "old", say=ignore
                )
            )
        )
        taken["scan"].append(seconds(lambda: [0 for _ in read_pages(new)]))
        taken["parse"].append(seconds(lambda: extract_pages([tenth], scratch / "t", EVERYTHING, say=ignore)))
        taken["whole"].append(seconds(lambda: extract_pages([new], scratch / "w", EVERYTHING, say=ignore)))
    assert read_table(scratch / "new", "pages").equals(read_table(scratch / "w", "pages"))
    median = {name: statistics.median(found) for name, found in taken.items()}
    print(
        f"{times * len(pages)} articles, a tenth changed: "
        + ", ".join(f"{k} {v:.2f} s" for k, v in median.items())
    )
    floor = median["scan"] + median["parse"]
    return figure(
        "second snapshot, a tenth changed", median["incremental"], "s", "scan all, parse a tenth",
        median["incremental"] / floor, 1.3, False,
    )  # fmt: skip


def changed_pages(dumps: list[str], scratch: Path) -> list[tuple[str, str]]:
    """Return (old text, new text) of the articles that changed between consecutive dumps, as extracted before."""
    texts = []
    for number in range(len(dumps)):
        rows = read_table(scratch / f"d{number}", "pages", ["page_id", "text"]).to_pylist()
        texts.append({row["page_id"]: row["text"] for row in rows})
    return [
        (before[page_id], after[page_id])
        for before, after in zip(texts, texts[1:], strict=False)
        for page_id in before.keys() & after.keys()
        if before[page_id] != after[page_id]
    ]


def comparison(way: str, dumps: list[str], scratch: Path) -> Callable[[], tuple[float, int]]:
    """Return a function that compares the changed pages, and returns the seconds and the characters found."""
    pairs = changed_pages(dumps, scratch)
    compare = {"tgl": lambda old, new: new_sentences(old, new, "en"), "difflib": ticwiki}[way]

    def run() -> tuple[float, int]:
        start = time.perf_counter()
        found = [list(compare(old, new)) for old, new in pairs]
        taken = time.perf_counter() - start
        return taken, sum(len(text) for pieces in found for _, text in pieces)

    return run


def comparing(dumps: list[str], rounds: int, scratch: Path) -> list[str]:
    """Return the figures of comparing changed articles, each way in a separate process."""
    for number, dump in enumerate(dumps):
        extract_pages([dump], scratch / f"d{number}", EVERYTHING, settings=PagesConfig(), say=ignore)
    pairs = changed_pages(dumps, scratch)
    size = sum(len(old.encode()) + len(new.encode()) for old, new in pairs) / 1e6
    with contextlib.ExitStack() as stack:
        ways = {
            name: stack.enter_context(Apart(comparison, name, dumps, scratch)) for name in ("tgl", "difflib")
        }
        turns = in_turns(ways, rounds)
    lost = {name: found for name, found in turns.items() if isinstance(found, Lost)}
    taken = lost | {n: statistics.median(t for t, _ in turns[n]) for n in turns if n not in lost}
    found = lost | {name: turns[name][0][1] for name in turns if name not in lost}
    print(f"{len(pairs)} changed pages of {size:.1f} MB: "
          + ", ".join(f"{name} {cell(value, '.3f', 's')}" for name, value in taken.items()))  # fmt: skip
    peer = "paragraph-then-sentence difflib"
    speed, ratio = over(size, taken["tgl"]), over(taken["difflib"], taken["tgl"])
    return [
        figure("comparing changed pages", speed, "MB/s", peer, ratio, 3.5, True),
        figure("characters found changed", found["tgl"], "", peer, over(found["tgl"], found["difflib"]), None, True),
    ]  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dumps", nargs="+", help="at least two, sorted by date")
    parser.add_argument("--times", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if len(options.dumps) < 2:
        sys.exit("Found one dump, expected at least two")
    with tempfile.TemporaryDirectory() as folder:
        figures = comparing(options.dumps, options.rounds, Path(folder))
        figures.insert(0, incremental(options.dumps[0], options.times, options.rounds, Path(folder)))
    print("\n".join(figures))


if __name__ == "__main__":
    main()
