"""The accuracy of extraction: its reference units by language, and their share in real articles."""

import pytest

from benchmarks.extraction_accuracy import kept, leftovers, reference
from benchmarks.extraction_by_language import GOAL, missing, texts
from benchmarks.extraction_languages import LANGUAGES

DUMPS = {code: f"minidumps/{code}.xml.bz2" for code in LANGUAGES if code != "en"} | {
    "en": "enwiki-dated/2022-08-24.xml.bz2"
}


@pytest.mark.parametrize(
    ("code", "wikitext", "dates", "numbers"),
    [
        ("en", "On 3 May 2004 and {{start date|2005|6|7}}, 1,234 of 56.", 2, ["2004", "1234", "56"]),
        (
            "de",
            "Am 3. Mai 2004 waren es 1.234.567 und {{formatnum:1234.5}}.",
            1,
            ["2004", "1234567", "1234,5"],
        ),
        ("fr", "Le 1er mai 2004, {{date|2|mai|2005}}, {{unité|1234.5|km}}.", 2, ["2004", "1234,5"]),
        ("es", "El 3 de mayo de 2004.", 1, ["2004"]),
        ("ja", "2004年5月3日に12,345人。", 1, ["2004", "12345"]),
        ("ru", "3 мая 2004 года 12\xa0345 человек.", 1, ["2004", "12345"]),
        ("pl", "3 maja 2004 roku.", 1, ["2004"]),
        ("nl", "Op 3 mei 2004, 1.234 mensen.", 1, ["2004", "1234"]),
    ],
)
def test_dates_and_numbers_of_a_language_are_units(code, wikitext, dates, numbers):
    units = reference(wikitext, LANGUAGES[code])
    assert units.dates.total() == dates
    assert sorted(units.numbers.elements()) == sorted(numbers)


def test_what_is_no_running_text_is_no_unit():
    units = reference("== 1990 ==\nA [[b]].\n== Einzelnachweise ==\n1991 [[c]]\n", LANGUAGES["de"])
    assert (units.numbers.total(), list(units.anchors)) == (0, ["b"])


def test_a_text_without_the_units_keeps_none():
    german = LANGUAGES["de"]
    units = reference("* Am 3. Mai 2004 waren es 1.234 in [[Berlin]].", german)
    assert kept(units, "", german) == {
        "dates": (0, 1), "numbers": (0, 2), "list items": (0, 1), "link anchors": (0, 1)
    }  # fmt: skip
    assert len(missing(units, "", german)) == 5
    assert leftovers("a [[b]] {{c}} '''d'''") == 6


@pytest.mark.parametrize("code", DUMPS)
def test_real_articles_keep_what_a_reader_sees(code, data_root, tmp_path):
    language = LANGUAGES[code]
    found = texts(data_root / "dumps" / DUMPS[code], code, tmp_path)
    assert found
    units = {number: reference(wikitext, language) for number, (wikitext, _) in found.items()}
    for kind in ("dates", "numbers", "list items", "link anchors"):
        counts = [kept(units[number], text, language)[kind] for number, (_, text) in found.items()]
        have, want = map(sum, zip(*counts, strict=True))
        assert have >= GOAL * want > 0, kind
    assert sum(leftovers(text) for _, text in found.values()) == 0
