"""Make the files of this folder from The World Factbook, as an example for text of one's own.

    python examples/factbook/make.py FOLDER                    # the files of this folder
    python examples/factbook/make.py FOLDER --all OUTPUT       # the same countries at all dates of FOLDER, in OUTPUT

FOLDER has factbook-YYYY-MM-DD.jsonl.xz with lines {id, title, text}, a document for each country whose lines are
'field: text'. They were made from the yearly states of github.com/factbook/factbook.json. The World Factbook is in the
public domain.

A sentence that changed is trained on alone. So each line here begins with the name of its country, or the model could
not know whose population it reads.
"""

import argparse
import json
import lzma
import re
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
DATES = ("2020-11-27", "2021-12-30", "2022-12-29")
COUNTRIES = (
    "ag al ar as au ba be bg bl bm bo br bu ca cb ci ch co cs cu cy da ec eg ei en es et ez fi fr gg gh gm gr gt ha "
    "ho hr hu ic id in iz ja jm jo ke ks lg lh mo mx my ni no np pe pl po"
).split()
# These come later, so that each period has new documents.
LATER = {"2021-12-30": ("ec", "gt", "jm", "my"), "2022-12-29": ("ei", "gh", "ic", "np")}
FIELDS = {
    "Background", "Location", "Coastline", "Climate", "Natural resources", "Population", "Population growth rate",
    "Birth rate", "Net migration rate", "Urbanization - urban population",
    "Life expectancy at birth - total population", "Total fertility rate", "Education expenditures", "Government type",
    "Capital - name", "National holiday", "Executive branch - chief of state",
    "Executive branch - head of government", "Diplomatic representation in the US - chief of mission",
    "Diplomatic representation from the US - chief of mission", "Industries", "Internet country code",
    "Internet users - percent of population", "Telephones - fixed lines - total subscriptions",
}  # fmt: skip
MOST_CHARACTERS = 500
SPAN = re.compile(r"[^();,\[]+(?:,\d{3})*")


def lines_of(document: dict) -> dict[str, str]:
    """Return the chosen fields of a document: the first line of each, if it is short."""
    found: dict[str, str] = {}
    for line in document["text"].split("\n"):
        field, colon, value = line.partition(": ")
        value = value.strip().rstrip(".")
        if colon and field in FIELDS and field not in found and 0 < len(value) <= MOST_CHARACTERS:
            found[field] = value
    return found


def main() -> None:
    """Write the example, or its countries at all dates."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--all", type=Path, metavar="OUTPUT", help="folder that gets the files of all dates")
    options = parser.parse_args()
    if options.all is None:
        write(options.folder, HERE, DATES)
        return
    dates = sorted(path.name[9:19] for path in options.folder.glob("factbook-????-??-??.jsonl.xz"))
    if len(dates) < 2:
        sys.exit(
            f"{options.folder}: found {len(dates)} files factbook-YYYY-MM-DD.jsonl.xz, expected at least two"
        )
    options.all.mkdir(parents=True, exist_ok=True)
    write(options.folder, options.all, dates)


def write(folder: Path, output: Path, dates: Sequence[str]) -> None:
    """Write a collection for each date, and the probes.

    Args:
        folder: Folder of the states of the Factbook.
        output: Folder to write.
        dates: The dates, in order.
    """
    first = {code: date for date, own in LATER.items() for code in own}
    countries: dict[str, dict[str, tuple[str, dict[str, str]]]] = {}
    for date in dates:
        with lzma.open(folder / f"factbook-{date}.jsonl.xz", "rt", encoding="utf-8") as lines:
            documents = {row["id"]: row for row in map(json.loads, lines)}
        chosen = [code for code in COUNTRIES if date >= first.get(code, dates[0])]
        countries[date] = {code: (documents[code]["title"], lines_of(documents[code])) for code in chosen}
        with lzma.open(output / f"{date}.jsonl.xz", "wt", encoding="utf-8", preset=9) as written:
            for code, (title, fields) in countries[date].items():
                text = "\n".join(stated(title, field, value) for field, value in fields.items())
                written.write(
                    json.dumps({"id": code, "title": title, "text": text}, ensure_ascii=False) + "\n"
                )
    with open(output / "probes.jsonl", "w", encoding="utf-8") as written:
        for earlier, date in zip(dates, dates[1:], strict=False):
            for probe in probes_of(countries[earlier], countries[date], date.replace("-", "")):
                written.write(json.dumps(probe, ensure_ascii=False) + "\n")


def stated(title: str, field: str, value: str) -> str:
    """Return a field as a sentence that names its country."""
    return f"{title}, {field}: {value}."


def probes_of(before: dict, after: dict, period: str):
    """Yield a probe for each field with a short value: updated, unchanged, or of a new country."""
    for code, (title, fields) in after.items():
        old = before.get(code, ("", {}))[1]
        for field, value in fields.items():
            span, was = span_of(value), span_of(old.get(field, ""))
            if not span or (code in before and not was):
                continue
            kind = "new_entity" if code not in before else "unchanged" if old[field] == value else "updated"
            if kind == "updated" and span == was:
                continue  # only the year in brackets differs
            text = stated(title, field, value)
            yield {
                "text": text, **place_of(text, span, len(f"{title}, {field}: ")), "kind": kind, "period": period,
                "relation": field, "subject": title, "document": code,
            } | ({"old_answer": was} if kind == "updated" else {})  # fmt: skip


def place_of(text: str, span: str, start: int) -> dict:
    """Return the key `span`, or the characters of the span where a later part of the text has the same words."""
    last = text.rfind(span) == start
    return {"span": span} if last else {"span_start": start, "span_end": start + len(span)}


def span_of(value: str) -> str:
    """Return the value up to its first bracket, comma or semicolon; "" if it is long."""
    match = SPAN.match(value)
    span = match[0].strip() if match else ""
    return span if len(span) <= 40 else ""


if __name__ == "__main__":
    main()
