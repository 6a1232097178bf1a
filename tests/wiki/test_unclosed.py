import time

import pytest
from hypothesis import given, settings

from tests.fuzz.test_wikitext import markup
from tgl.wiki.reader import read_pages
from tgl.wiki.unclosed import is_too_slow, num_unclosed


@pytest.mark.parametrize(
    ("wikitext", "number"),
    [
        ("", 0),
        ("Plain < text, a > b.", 0),
        ("{{a|[[b|c]]|d={{e}}}} [http://a.org f]", 0),
        ("{{a|b=}} {{{1|}}}", 0),
        ("{|\n| a\n|}", 0),
        ("::{|\n| {{a|}}\n |}", 0),
        ("<div><ref name=a /><br>b<br/></div><li>c", 0),
        ("<!-- {{ --> <nowiki>{{</nowiki> <math>{{a}+b}</math>", 0),
        ("{{a", 1),
        ("{{a|" * 7, 7),
        ("[[a [b <i>", 3),
        ("}} ]] </b> |}", 0),
        ("{{a|[[b}}", 2),
        ("<!-- {{a|", 2),
        ("<math> {{a|", 2),
        ("<b></i>", 1),
        ("<DIV><Ref>a</ref>", 1),
    ],
)
def test_what_is_opened_and_not_closed_is_counted(wikitext, number):
    assert num_unclosed(wikitext) == number


@settings(deadline=None, max_examples=100)
@given(markup)
def test_a_page_before_another_opening_leaves_it_open(wikitext):
    assert 0 <= num_unclosed(wikitext) <= num_unclosed(wikitext + "\n{{a") <= num_unclosed(wikitext) + 1


@pytest.mark.parametrize(
    "piece", ["{{a|", "[[a|", "<a b=", "<!--", "<math>", "\n{|", "[http://a ", "\n", " ", ":*# ", "<br "]
)
def test_counting_takes_time_linear_in_the_text(piece):
    wikitext = piece * (2_000_000 // len(piece))
    start = time.process_time()
    num_unclosed(wikitext)
    assert time.process_time() - start < 20


@pytest.mark.parametrize("opening", ["{{a|", "{{{a|", "<a b=", '<ref name="', "{{lang|de|"])
def test_pages_that_the_parser_needs_minutes_for_are_told(opening):
    assert is_too_slow(opening * 10_000)
    assert not is_too_slow(opening * 100)


def test_real_articles_are_far_from_too_slow(data_root):
    for name in ("enwiki-dated/2022-08-24", "ltgwiki/ltgwiki-2017-pages-articles"):
        for page in read_pages(data_root / f"dumps/{name}.xml.bz2"):
            if page.namespace == 0 and page.model == "wikitext":
                assert num_unclosed(page.text) * len(page.text) < 5_000_000
