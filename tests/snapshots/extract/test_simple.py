import time

import pytest

from tgl.snapshots.extract.clean_text import Keep
from tgl.snapshots.extract.simple import clean_simply


def test_text_and_anchors_stay_and_markup_goes():
    wikitext = (
        "{{Infobox|a={{b}}}}\n'''Berlin''' is [[Germany|German]].<ref>x</ref>\n== Past ==\n* [[one]]\n"
        "{|\n| t\n|}\n[http://a.org the page] <br/> 3&nbsp;km {{unclosed"
    )
    article = clean_simply(wikitext)
    assert article.text == "Berlin is German.\none\nthe page 3 km unclosed"
    assert (article.links, article.sections) == ([], [])


def test_the_language_decides_on_links_switches_variants_and_quotes():
    wikitext = "__KEIN_INHALTSVERZEICHNIS__[[Datei:a.jpg|mini|Ein Bild]]L'''amour'' und [[Kategorie:x]]mehr."
    assert clean_simply(wikitext, Keep(language="de")).text == "L'amour und mehr."
    assert clean_simply("-{zh-hans:a;zh-hant:b}-", Keep(language="zh")).text == "a"


@pytest.mark.parametrize(
    "piece", ["{{a|", "[[a|", "[[", "<a b=", "<!--", "\n{|", "[http://a ", "=", "\n=", "''", ":*# "]
)
def test_it_takes_time_linear_in_the_text(piece):
    wikitext = piece * (1_000_000 // len(piece))
    start = time.process_time()
    clean_simply(wikitext)
    assert time.process_time() - start < 20
