import json

import pytest

from tgl.core.languages import LANGUAGES
from tgl.snapshots.extract import wiki_names as module
from tgl.snapshots.extract.clean_text import Keep
from tgl.snapshots.extract.wiki_names import formatted_number, wiki_names
from tgl.snapshots.extract.wikitext import clean

NAMES = json.loads(module._FILE.read_text(encoding="utf-8"))


def text_of(wikitext, language="en", **more):
    return clean(wikitext, Keep(language=language), **more).text


@pytest.mark.parametrize("language", NAMES)
def test_the_names_of_each_language_are_complete_and_written_once(language):
    entry = NAMES[language]
    assert language in LANGUAGES
    assert entry.keys() <= {"links", "switches", "sections", "page", "number"}
    for key in ("links", "switches", "sections", "page"):
        assert len(set(entry.get(key, []))) == len(entry.get(key, []))
    names = wiki_names(language)
    for name in (*entry["links"], "File"):
        assert text_of(f"A. [[{name}:x.jpg|thumb|words]] B.", language) == "A. B."
    assert names.end_sections == tuple(entry.get("sections", ()))
    for switch in (*entry.get("switches", []), "notoc"):
        assert names.switches.fullmatch(f"__{switch}__")


@pytest.mark.parametrize(
    ("text", "language", "written"),
    [
        ("1234567.5", "en", "1,234,567.5"), ("-1234", "de", "-1.234"), ("1234", "es", "1234"),
        ("12345", "es", "12 345"),
        ("1234", "xx", "1,234"), ("12", "fr", "12"), ("1.5", "ru", "1,5"), ("1e5", "en", "1e5"), ("", "en", ""),
    ],
)  # fmt: skip
def test_numbers_have_the_separators_of_their_language(text, language, written):
    assert formatted_number(text, language) == written


@pytest.mark.parametrize(
    "link", ["simple:Cat", "be-x-old:Кот", "zh-min-nan:Niau", "FR:Chat", "roa-rup:x", "nds-nl:y"]
)
def test_language_links_go(link):
    assert text_of(f"Small.\n[[{link}]]") == "Small."


@pytest.mark.parametrize("link", ["Abc:def", "DNA: the double helix", "Star Wars: A", "Zzz:x"])
def test_titles_with_a_colon_stay(link):
    assert text_of(f"See [[{link}]] now.") == f"See {link} now."


def test_words_between_underscores_are_no_switches():
    assert (
        text_of("Use __FILE__ and __init__ here. __NoToc____HIDDENCAT__") == "Use __FILE__ and __init__ here."
    )
    assert text_of("A __KEIN_INDEX__ b", "de") == "A b"
    assert text_of("A __KEIN_INDEX__ b", "fr") == "A __KEIN_INDEX__ b"


def test_the_name_of_the_page_is_written():
    assert text_of("'''{{PAGENAME}}''' is {{pagename}}.", title="Alphaville") == "Alphaville is Alphaville."
    assert text_of("{{SEITENNAME}} ist.", "de", title="Berlin") == "Berlin ist."


def test_rules_of_one_language_do_not_apply_to_another():
    assert text_of("{{convert|5|km}} a") == "5 km a"
    assert text_of("{{convert|5|km}} a", "sv") == "a"
    assert text_of("le {{date|14|juillet|1989}}.", "fr") == "le 14 juillet 1989."


@pytest.mark.parametrize(
    ("language", "wikitext", "text"),
    [
        ("zh", "他写-{zh-hans:软件;zh-hant:軟體}-。", "他写软件。"),
        ("zh", "-{H|zh-cn:A;zh-tw:B}-x-{zh-tw:乙;zh-cn:甲}-", "x甲"),
        ("zh", "-{R|a;b}- -{c}- -{T|zh-cn:d}-e", "a;b c e"),
        ("zh", "-{A|zh-hans:一;zh-hant:二}-", "一"),
        ("sr", "-{sr-ec:а;sr-el:a}- -{Windows}-", "а Windows"),
        ("en", "x-{y}- z", "x-{y}- z"),
    ],
)
def test_the_first_variant_is_shown(language, wikitext, text):
    assert text_of(wikitext, language) == text
