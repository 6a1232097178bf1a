"""Extraction against WikiExtractor and mwparserfromhell: accuracy, pages a second, memory.

    python -m venv /tmp/peer && /tmp/peer/bin/pip install wikiextractor==3.1.0
    python -m benchmarks.extract DUMP.xml.bz2 ... --peer /tmp/peer/bin/python

The dumps are measured for speed one by one, the first one ten times over too, and together for accuracy. A run is a
whole process, from its start to its written output; ways take turns. WikiExtractor runs with its templates expanded,
its default, and without.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections import Counter
from pathlib import Path

import mwparserfromhell

from benchmarks.extraction_accuracy import kept, leftovers, reference
from benchmarks.figures import figure
from benchmarks.processes import cost
from tgl.tables import read_table
from tgl.wiki.catalogue import write_files
from tgl.wiki.dump_writer import Page, dump_header, page_xml
from tgl.wiki.reader import read_pages
from tgl.wiki.siteinfo import read_siteinfo

KINDS = ("dates", "numbers", "list items", "link anchors")


def ours(files: Path, output: Path, processes: int) -> list[str]:
    """Return the command that extracts a table `files` by tgl."""
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
    """Return the command that extracts a dump by WikiExtractor."""
    return [python, "-m", "wikiextractor.WikiExtractor", dump, "-o", str(output), "--json", "-q",
            "--processes", str(processes), *options]  # fmt: skip


def scan(dump: str) -> list[str]:
    """Return the command that reads every page of a dump and does nothing with it."""
    return [
        sys.executable,
        "-c",
        "import sys; from tgl.wiki.reader import read_pages; [0 for _ in read_pages(sys.argv[1])]",
        dump,
    ]


def peer_texts(folder: Path) -> dict[int, str]:
    """Return the texts that WikiExtractor has written, by page id."""
    lines = (line for path in folder.rglob("wiki_*") for line in path.read_text().splitlines())
    return {int(row["id"]): row["text"] for row in map(json.loads, lines)}


def accuracy(dumps: list[str], python: str, scratch: Path) -> None:
    """Print the table of what each way keeps and leaves."""
    counts: dict[str, Counter] = {}
    for number, dump in enumerate(dumps):
        folder = scratch / f"accuracy{number}"
        write_files([dump], folder / "files")
        cost(*ours(folder / "files", folder / "pages", 1))
        for name, options in (("templates", ()), ("plain", ("--no-templates",))):
            cost(*peer(python, dump, folder / name, 1, *options))
        rows = read_table(folder / "pages", "pages").to_pylist()
        texts = {
            "tgl": {row["page_id"]: row["text"] for row in rows},
            "WikiExtractor": peer_texts(folder / "templates"),
            "WikiExtractor --no-templates": peer_texts(folder / "plain"),
        }
        pages = {page.page_id: page.text for page in read_pages(dump)}
        texts["mwparserfromhell strip_code"] = {
            page_id: mwparserfromhell.parse(pages[page_id]).strip_code() for page_id in texts["tgl"]
        }
        for page_id in texts["tgl"]:
            units = reference(pages[page_id])
            for name, found in texts.items():
                text, count = found.get(page_id, ""), counts.setdefault(name, Counter())
                for kind, (have, want) in kept(units, text).items():
                    count[kind] += have
                    count[f"all {kind}"] += want
                count["leftovers"] += leftovers(text)
                count["characters"] += len(text)
                count["pages"] += 1
    first = next(iter(counts.values()))
    print(f"{first['pages']} articles; " + ", ".join(f"{first[f'all {kind}']} {kind}" for kind in KINDS))
    print(f"{'share kept, %':32}" + "".join(f"{kind:>14}" for kind in KINDS) + f"{'markup left':>14}")
    for name, count in counts.items():
        shares = "".join(f"{100 * count[kind] / count[f'all {kind}']:14.1f}" for kind in KINDS)
        print(f"{name:32}{shares}{1e4 * count['leftovers'] / count['characters']:14.2f}")


def speed(dump: str, python: str, scratch: Path, rounds: int) -> list[str]:
    """Print seconds of each way and return the figures."""
    write_files([dump], scratch / "files")
    ways = {}
    for processes in (1, 2):
        ways[f"tgl, {processes}"] = ours(scratch / "files", scratch / "pages", processes)
        ways[f"WikiExtractor, {processes}"] = peer(python, dump, scratch / f"peer{processes}", processes)
        ways[f"WikiExtractor --no-templates, {processes}"] = peer(
            python, dump, scratch / f"plain{processes}", processes, "--no-templates"
        )
    ways["decompress and scan"] = scan(dump)
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, command in ways.items():
            seconds[name].append(cost(*command).seconds)
    median = {name: statistics.median(found) for name, found in seconds.items()}
    num_pages = read_table(scratch / "pages", "pages", ["page_id"]).num_rows
    print(f"\n{Path(dump).name}: {num_pages} articles, median of {rounds} runs")
    for name, value in median.items():
        print(f"{name:40}{value:8.2f} s{num_pages / value:10.1f} articles/s")
    figures, what = [], f"extraction of {num_pages} articles"
    for processes in (1, 2):
        for name in ("WikiExtractor", "WikiExtractor --no-templates"):
            ratio = median[f"{name}, {processes}"] / median[f"tgl, {processes}"]
            value = num_pages / median[f"tgl, {processes}"]
            figures.append(
                figure(f"{what}, {processes} processes", value, "articles/s", name, ratio, 1.0, True)
            )
    scanned = median["decompress and scan"]
    figures.append(
        figure(
            f"{what}, 1 process",
            median["tgl, 1"],
            "s",
            "decompress and scan",
            median["tgl, 1"] / scanned,
            None,
            False,
        )
    )
    return figures


def repeat(dump: str, times: int, path: Path) -> None:
    """Write the pages of a dump several times, under ids of their own."""
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
    """Return the figure of peak memory at ten times the input over that at one."""
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
    parser.add_argument("--peer", required=True, help="the Python that WikiExtractor is installed for")
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
