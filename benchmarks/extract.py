"""Compare extraction with WikiExtractor and mwparserfromhell: accuracy, pages per second, memory.

    python -m venv /tmp/peer && /tmp/peer/bin/pip install wikiextractor==3.1.0
    python -m benchmarks.extract DUMP.xml.bz2 ... --peer /tmp/peer/bin/python

Speed is measured for each dump, and for the first one also repeated ten times. Accuracy is measured for all dumps
together. A run is a whole process, from its start to its written output. The tools run in turns. If a process is killed
for memory, its row reports that. WikiExtractor runs with template expansion, its default, and without.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import mwparserfromhell

from benchmarks.extraction_accuracy import kept, leftovers, reference
from benchmarks.figures import cell, figure, over
from benchmarks.processes import Lost, attempt, cost, in_turns, medians, once
from tgl.core.tables.read import read_table
from tgl.snapshots.catalogue import write_files
from tgl.snapshots.dumps.reader import read_pages
from tgl.snapshots.dumps.siteinfo import read_siteinfo
from tgl.snapshots.dumps.writer import Page, dump_header, page_xml

KINDS = ("dates", "numbers", "list items", "link anchors")


def ours(files: Path, output: Path, processes: int) -> list[str]:
    """Return the command with which tgl extracts a table `files`."""
    return [
        sys.executable,
        "-m",
        "tgl",
        "pages",
        str(files),
        "--output",
        str(output),
        "--processes",
        str(processes),
    ]


def peer(python: str, dump: str, output: Path, processes: int, *options: str) -> list[str]:
    """Return the command with which WikiExtractor extracts a dump."""
    return [python, "-m", "wikiextractor.WikiExtractor", dump, "-o", str(output), "--json", "-q",
            "--processes", str(processes), *options]  # fmt: skip


def scan(dump: str) -> list[str]:
    """Return the command that reads every page of a dump and does nothing else."""
    return [
        sys.executable,
        "-c",
        "import sys; from tgl.snapshots.dumps.reader import read_pages; [0 for _ in read_pages(sys.argv[1])]",
        dump,
    ]


def peer_texts(folder: Path) -> dict[int, str]:
    """Return the texts that WikiExtractor wrote, by page id."""
    lines = (line for path in folder.rglob("wiki_*") for line in path.read_text().splitlines())
    return {int(row["id"]): row["text"] for row in map(json.loads, lines)}


def stripped(dump: str) -> Callable[[], dict[int, str]]:
    """Return a function that returns each page's text by mwparserfromhell's strip_code, by page id."""
    return lambda: {
        page.page_id: mwparserfromhell.parse(page.text).strip_code() for page in read_pages(dump) if page.text
    }


def texts_of(dump: str, python: str, folder: Path) -> dict[str, dict[int, str] | Lost]:
    """Return the texts that each tool extracts from a dump, by page id."""

    def extracted(name: str, *options: str) -> dict[int, str]:
        cost(*peer(python, dump, folder / name, 1, *options))
        return peer_texts(folder / name)

    write_files([dump], folder / "files")
    cost(*ours(folder / "files", folder / "pages", 1))
    rows = read_table(folder / "pages", "pages").to_pylist()
    return {
        "tgl": {row["page_id"]: row["text"] for row in rows},
        "WikiExtractor": attempt(extracted, "templates"),
        "WikiExtractor --no-templates": attempt(extracted, "plain", "--no-templates"),
        "mwparserfromhell strip_code": attempt(once, stripped, dump),
    }


def accuracy(dumps: list[str], python: str, scratch: Path) -> None:
    """Print a table of the kept units and the leftover markup of each tool."""
    counts: dict[str, Counter | Lost] = {}
    for number, dump in enumerate(dumps):
        texts = texts_of(dump, python, scratch / f"accuracy{number}")
        pages = {page.page_id: page.text for page in read_pages(dump)}
        references = {page_id: reference(pages[page_id]) for page_id in texts["tgl"]}
        for name, found in texts.items():
            if isinstance(found, Lost):
                counts[name] = found
            elif not isinstance(count := counts.setdefault(name, Counter()), Lost):
                count.update(kept_and_left(references, found))
    first = counts["tgl"]
    print(f"{first['pages']} articles; " + ", ".join(f"{first[f'all {kind}']} {kind}" for kind in KINDS))
    print(f"{'share kept, %':32}" + "".join(f"{kind:>14}" for kind in KINDS) + f"{'markup left':>14}")
    for name, count in counts.items():
        if isinstance(count, Lost):
            print(f"{name:32} {count}")
            continue
        shares = "".join(f"{100 * count[kind] / count[f'all {kind}']:14.1f}" for kind in KINDS)
        print(f"{name:32}{shares}{1e4 * count['leftovers'] / count['characters']:14.2f}")


def kept_and_left(references: dict[int, dict], found: dict[int, str]) -> Counter:
    """Count the reference units that the texts of a dump keep, and the leftover markup."""
    count: Counter = Counter()
    for page_id, units in references.items():
        text = found.get(page_id, "")
        for kind, (have, want) in kept(units, text).items():
            count[kind] += have
            count[f"all {kind}"] += want
        count["leftovers"] += leftovers(text)
        count["characters"] += len(text)
        count["pages"] += 1
    return count


def speed(dump: str, python: str, scratch: Path, rounds: int) -> list[str]:
    """Print the seconds of each tool and return the figures."""
    write_files([dump], scratch / "files")
    ways = {}
    for processes in (1, 2):
        ways[f"tgl, {processes}"] = ours(scratch / "files", scratch / "pages", processes)
        ways[f"WikiExtractor, {processes}"] = peer(python, dump, scratch / f"peer{processes}", processes)
        ways[f"WikiExtractor --no-templates, {processes}"] = peer(
            python, dump, scratch / f"plain{processes}", processes, "--no-templates"
        )
    ways["decompress and scan"] = scan(dump)
    taken = {name: lambda command=command: cost(*command).seconds for name, command in ways.items()}
    median = medians(in_turns(taken, rounds))
    num_pages = read_table(scratch / "pages", "pages", ["page_id"]).num_rows
    print(f"\n{Path(dump).name}: {num_pages} articles, median of {rounds} runs")
    for name, value in median.items():
        speed = "" if isinstance(value, Lost) else f"{num_pages / value:10.1f} articles/s"
        print(f"{name:40}{cell(value, '8.2f', 's')}{speed}")
    figures, what = [], f"extraction of {num_pages} articles"
    for processes in (1, 2):
        own = median[f"tgl, {processes}"]
        for name in ("WikiExtractor", "WikiExtractor --no-templates"):
            ratio = over(median[f"{name}, {processes}"], own)
            title = f"{what}, {processes} processes"
            figures.append(figure(title, over(num_pages, own), "articles/s", name, ratio, 1.0, True))
    own, scanned = median["tgl, 1"], median["decompress and scan"]
    title = f"{what}, 1 process"
    figures.append(figure(title, own, "s", "decompress and scan", over(own, scanned), None, False))
    return figures


def repeat(dump: str, times: int, path: Path) -> None:
    """Write the pages of a dump several times, each time with new ids."""
    pages = [page for page in read_pages(dump) if page.text is not None]
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(dump_header(read_siteinfo(dump)))
        for copy in range(times):
            for page in pages:
                number = page.page_id + copy * 10**9
                redirect = "x" if page.is_redirect else None
                stream.write(
                    page_xml(
                        Page(number, page.title, page.namespace, number, page.timestamp, page.text, redirect)
                    )
                )
        stream.write("</mediawiki>\n")


def memory(dump: str, scratch: Path) -> str:
    """Return the figure of peak memory at ten times the input divided by that at one time."""
    peaks = []
    for times in (1, 10):
        repeat(dump, times, scratch / f"{times}.xml")
        write_files([scratch / f"{times}.xml"], scratch / f"files{times}")
        peaks.append(cost(*ours(scratch / f"files{times}", scratch / "large", 1)).memory)
    return figure(
        "peak memory at 10 times the input", peaks[1], "MiB", "1 times", peaks[1] / peaks[0], 1.1, False
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dumps", nargs="+")
    parser.add_argument("--peer", required=True, help="the Python for which WikiExtractor is installed")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        accuracy(options.dumps, options.peer, scratch)
        repeat(options.dumps[0], 10, scratch / "10-times.xml")
        figures = [
            line
            for dump in (*options.dumps, str(scratch / "10-times.xml"))
            for line in speed(dump, options.peer, scratch, options.rounds)
        ]
        figures.append(memory(options.dumps[0], scratch))
    print("\n".join(["", *figures]))


if __name__ == "__main__":
    main()
