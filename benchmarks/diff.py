"""Snapshots after the first: what an incremental one costs, and comparing changed pages against difflib.

    python -m benchmarks.diff FIRST.xml.bz2 LATER.xml.bz2 [LATER.xml.bz2 ...]

The files are dumps of the same articles at several dates. For the cost, the first is repeated under new ids, and every
tenth article is changed. The floor is a scan of all pages and the parsing of a tenth.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks.figures import figure
from tgl.config import PagesConfig
from tgl.diff.published import ticwiki
from tgl.diff.sentences import new_sentences
from tgl.tables import read_table
from tgl.wiki.pages import Shard, extract_pages
from tgl.wiki.reader import RawPage, read_pages
from tgl.wiki.revisions import revision_sha1

EVERYTHING = Shard(0, None)


def quiet(text: str) -> None:
    """Say nothing."""


def write_repeated(
    pages: list[RawPage], numbers: Iterable[int], changed: Callable[[int], bool], path: Path
) -> None:
    """Write the pages again and again under ids of their own, the numbers; a changed one has a sentence more."""
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
    """Return the figure of a snapshot of which a tenth of the pages is new, over its floor."""
    pages = [page for page in read_pages(first) if page.namespace == 0 and not page.is_redirect and page.text]
    old, new, tenth = scratch / "old.xml", scratch / "new.xml", scratch / "tenth.xml"
    everything = range(times * len(pages))
    write_repeated(pages, everything, lambda number: False, old)
    write_repeated(pages, everything, lambda number: number % 10 == 0, new)
    write_repeated(pages, everything[::10], lambda number: True, tenth)
    extract_pages([old], scratch / "old", EVERYTHING, say=quiet)
    taken: dict[str, list[float]] = {"incremental": [], "scan": [], "parse": [], "whole": []}
    for _ in range(rounds):
        taken["incremental"].append(
            seconds(lambda: extract_pages([new], scratch / "new", EVERYTHING, scratch / "old", say=quiet))
        )
        taken["scan"].append(seconds(lambda: [0 for _ in read_pages(new)]))
        taken["parse"].append(seconds(lambda: extract_pages([tenth], scratch / "t", EVERYTHING, say=quiet)))
        taken["whole"].append(seconds(lambda: extract_pages([new], scratch / "w", EVERYTHING, say=quiet)))
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


def comparing(dumps: list[str], rounds: int, scratch: Path) -> list[str]:
    """Return the figures of comparing the articles that changed between neighbouring dumps."""
    texts = []
    for number, dump in enumerate(dumps):
        extract_pages([dump], scratch / f"d{number}", EVERYTHING, settings=PagesConfig(), say=quiet)
        rows = read_table(scratch / f"d{number}", "pages").to_pylist()
        texts.append({row["page_id"]: row["text"] for row in rows})
    pairs = [
        (before[page_id], after[page_id])
        for before, after in zip(texts, texts[1:], strict=False)
        for page_id in before.keys() & after.keys()
        if before[page_id] != after[page_id]
    ]
    size = sum(len(old.encode()) + len(new.encode()) for old, new in pairs) / 1e6
    ways = {
        "tgl": lambda: [list(new_sentences(old, new, "en")) for old, new in pairs],
        "difflib": lambda: [list(ticwiki(old, new)) for old, new in pairs],
    }
    median = {name: statistics.median([seconds(way) for _ in range(rounds)]) for name, way in ways.items()}
    found = {name: sum(len(text) for pieces in way() for _, text in pieces) for name, way in ways.items()}
    print(
        f"{len(pairs)} changed pages of {size:.1f} MB: "
        + ", ".join(f"{k} {v:.3f} s" for k, v in median.items())
    )
    peer = "paragraph-then-sentence difflib"
    return [
        figure(
            "comparing changed pages", size / median["tgl"], "MB/s", peer, median["difflib"] / median["tgl"], 3.0, True
        ),
        figure("characters found changed", found["tgl"], "", peer, found["tgl"] / found["difflib"], None, True),
    ]  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dumps", nargs="+", help="at least two, rising by date")
    parser.add_argument("--times", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if len(options.dumps) < 2:
        sys.exit("at least two dumps expected")
    with tempfile.TemporaryDirectory() as folder:
        figures = comparing(options.dumps, options.rounds, Path(folder))
        figures.insert(0, incremental(options.dumps[0], options.times, options.rounds, Path(folder)))
    print("\n".join(figures))


if __name__ == "__main__":
    main()
