"""Measure which dates, numbers, list items and links the extraction keeps of articles in several languages.

    python -m benchmarks.extraction_by_language de=de.xml.bz2 fr=fr.xml.bz2 ...

Each dump gets the head of a wiki in its language, because that of an exported file may be of another wiki. A share is
of the reference units of `benchmarks.extraction_accuracy`. Every missing unit and leftover is printed with --missing.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from pathlib import Path

from benchmarks.extraction_accuracy import Units, kept, leftovers, reference
from benchmarks.extraction_languages import LANGUAGES, Language
from benchmarks.figures import figure
from tgl.core.tables.read import read_table
from tgl.snapshots.dumps.reader import read_pages
from tgl.snapshots.dumps.siteinfo import Siteinfo
from tgl.snapshots.dumps.writer import Page, dump_header, page_xml
from tgl.snapshots.extract.pages import Shard, extract_pages

GOAL = 0.98  # of the units of each kind
KINDS = ("dates", "numbers", "list items", "link anchors")


def texts(dump: str, code: str, scratch: Path) -> dict[int, tuple[str, str]]:
    """Return (wikitext, extracted text) of every article of a dump, read as one of a wiki in a language."""
    found = [page for page in read_pages(dump) if page.text is not None]
    copy = scratch / f"{code}.xml"
    with open(copy, "w", encoding="utf-8") as stream:
        stream.write(dump_header(Siteinfo(dbname=f"{code}wiki", language=code)))
        for page in found:
            redirect = "x" if page.is_redirect else None
            revision = Page(
                page.page_id, page.title, page.namespace, page.page_id, page.timestamp, page.text, redirect
            )
            stream.write(page_xml(revision))
        stream.write("</mediawiki>\n")
    extract_pages([copy], scratch / f"{code}.parquet", Shard(0, None), say=lambda line: None)
    rows = read_table(scratch / f"{code}.parquet", "pages").to_pylist()
    wikitext = {page.page_id: page.text for page in found}
    return {row["page_id"]: (wikitext[row["page_id"]], row["text"]) for row in rows}


def missing(units: Units, text: str, language: Language) -> list[str]:
    """Return what of the reference units is not in a text."""
    folded = " ".join(text.split())
    lost = [f"date {date}" for date in (units.dates - Counter(language.dates_in(folded)))]
    lost += [f"number {number}" for number in (units.numbers - Counter(language.numbers_in(text)))]
    lost += [f"item {item!r}" for item in units.items if item not in folded]
    lost += [f"link {anchor!r}" for anchor, count in units.anchors.items() if folded.count(anchor) < count]
    return lost


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dumps", nargs="+", metavar="LANGUAGE=DUMP")
    parser.add_argument("--missing", action="store_true", help="print each unit that is missing")
    options = parser.parse_args()
    figures = []
    print(f"{'share kept, % (of)':10}" + "".join(f"{kind:>20}" for kind in KINDS) + f"{'markup left':>14}")
    with tempfile.TemporaryDirectory() as folder:
        for code, dump in (given.split("=", 1) for given in options.dumps):
            language, count, left = LANGUAGES[code], Counter(), 0
            for wikitext, text in texts(dump, code, Path(folder)).values():
                units = reference(wikitext, language)
                for kind, (have, want) in kept(units, text, language).items():
                    count[kind] += have
                    count[f"all {kind}"] += want
                left += leftovers(text)
                if options.missing:
                    print("\n".join(missing(units, text, language)))
            shares = {kind: count[kind] / count[f"all {kind}"] for kind in KINDS if count[f"all {kind}"]}
            cells = "".join(
                f"{100 * shares[kind]:10.1f} ({count[f'all {kind}']:7})" if kind in shares else f"{'-':>20}"
                for kind in KINDS
            )
            print(f"{code:18}{cells}{left:14}")
            for kind, share in shares.items():
                figures.append(figure(f"{kind} kept, {code}", share, "share", "reference", share, GOAL, True))
            figures.append(figure(f"markup left, {code}", left, "pieces", "none", left, 0, False))
    print("\n".join(["", *figures]))


if __name__ == "__main__":
    main()
