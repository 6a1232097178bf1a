import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tgl.snapshots.dumps.reader import read_pages
from tgl.snapshots.extract.clean_text import Article, Keep, Link, Section
from tgl.snapshots.extract.wikitext import clean


def text_of(wikitext: str) -> str:
    return clean(wikitext).text


def check(article):
    """What must hold of any clean text, its links and sections."""
    text, links = article.text, article.links
    assert text == text.strip()
    assert not re.search(r"[^\S\n]\s|\n\s", text)
    text.encode()  # what cannot be encoded cannot be stored
    for link in links:
        assert 0 <= link.start < link.end <= len(text)
        assert link.target
        assert link.target == link.target.strip()
        anchor = text[link.start : link.end]
        assert anchor == anchor.strip()
    starts = [section.start for section in article.sections]
    assert starts == sorted(starts)
    assert all(start == 0 or text[start - 1] == "\n" for start in starts)
    assert all(start < len(text) for start in starts)


@pytest.mark.parametrize(
    ("wikitext", "text"),
    [
        ("'''Berlin''' is ''the'' capital.", "Berlin is the capital."),
        ("It grew by 3.5&nbsp;% to 3,769,495.", "It grew by 3.5 % to 3,769,495."),
        ("A&ndash;B &lt;3 &#x263a; &unknown;", "A–B <3 ☺ &unknown;"),
        ("Bahá'í and ''' bold'''", "Bahá'í and bold"),
        ("One.<ref>Book.</ref> Two.<ref name=a />", "One. Two."),
        ('One.<ref group="n">{{cite web|title=[[x]]}}</ref>', "One."),
        ("One.<!-- [[no]] --> Two.", "One. Two."),
        ("== Head ==\nText.\n=== Sub ===\nMore.", "Text.\nMore."),
        ("a\n{| class=x\n! h\n|-\n| 1 || [[b]]\n|}\nc", "a\nc"),
        ("{{Infobox city\n| name = [[x]]\n| pop = {{val|3}}\n}}\nText.", "Text."),
        ("a<br>b<br/>c", "a\nb\nc"),
        ("* one\n* two\n# three\n: four", "one\ntwo\nthree\nfour"),
        ("H<sub>2</sub>O and 10<sup>3</sup>", "H2O and 10^3"),
        ("<math>x^2</math>y<gallery>\nFile:a.jpg|b\n</gallery>", "y"),
        ("[https://a.org/b the page] and [https://a.org]", "the page and"),
        ("__NOTOC__ Text __TOC__", "Text"),
        ("  a  \t b \n\n\n c ", "a b\nc"),
        ("", ""),
        ("{{unknown|x}}", ""),
    ],
)
def test_markup_goes_and_text_stays(wikitext, text):
    assert text_of(wikitext) == text


@pytest.mark.parametrize(
    ("link", "target", "anchor"),
    [
        ("[[Berlin]]", "Berlin", "Berlin"),
        ("[[berlin]]", "Berlin", "berlin"),
        ("[[Spree (river)|Spree]]", "Spree (river)", "Spree"),
        ("[[East_Berlin#History|the east]]", "East Berlin", "the east"),
        ("[[Berlin|''the'' city]]", "Berlin", "the city"),
        ("[[Berlin|{{nowrap|the city}}]]", "Berlin", "the city"),
        ("[[:Category:Cities]]", "Category:Cities", "Category:Cities"),
        ("[[Berlin|big\n  city]]", "Berlin", "big\ncity"),
        ("[[Ξ-Köln|½]]", "Ξ-Köln", "½"),
        ("[[Berlin| the city]]", "Berlin", "the city"),
        ("[[Berlin|the city ]]", "Berlin", "the city"),
    ],
)
def test_link_offsets_point_at_the_anchor(link, target, anchor):
    article = clean(f"&amp; ''In''  {{{{x}}}} the{link}, as [[Paris]].")
    assert [(found.target, article.text[found.start : found.end]) for found in article.links] == [
        (target, anchor),
        ("Paris", "Paris"),
    ]


@pytest.mark.parametrize(
    "link",
    [
        "[[File:a.jpg|thumb|A [[city]].]]",
        "[[Category:Cities]]",
        "[[de:Berlin]]",
        "[[Image:a.png]]",
        "[[ file : a]]",
    ],
)
def test_files_categories_and_language_links_go_with_their_text(link):
    assert clean(f"One. {link}Two.") == Article("One. Two.")


@pytest.mark.parametrize(
    "link",
    [
        "[[Datei:a.jpg|mini|A [[city]].]]",
        "[[kategorie : Stadt]]",
        "[[Tập_tin:a.png]]",
        "[[tập  tin:a.png]]",
        "[[File:a.jpg]]",
        "[[Category:A]]",
    ],
)
def test_files_and_categories_go_under_the_wiki_s_own_names_too(link):
    keep = Keep(dropped_links=["Datei", "Kategorie", "Tập tin"])
    assert clean(f"One. {link}Two.", keep) == Article("One. Two.")


@pytest.mark.parametrize("names", [[], ["Datei"]])
@pytest.mark.parametrize("title", ["Fichier:a", "Datei", "Dateien:a", ":Datei:a", "X Datei:a"])
def test_links_under_other_names_stay(names, title):
    article = clean(f"One [[{title}|two]].", Keep(dropped_links=names))
    assert article.text == "One two."
    assert [found.target for found in article.links] == [title.lstrip(":")]


@given(st.text(st.characters(codec="utf-8", exclude_characters="[]{}|<>:#\n"), min_size=1).filter(str.strip))
def test_any_name_of_a_namespace_is_taken_literally(name):
    assert clean("a [[Other:b|c]].", Keep(dropped_links=[name])).text in ("a c.", "a .")
    assert (name.strip().casefold() == "other") == (
        clean("a [[Other:b|c]].", Keep(dropped_links=[name])).text == "a ."
    )


def test_link_to_a_section_of_the_same_page_is_text_only():
    assert clean("See [[#History|above]].") == Article("See above.")


def test_links_to_other_projects_are_text_only():
    assert clean("The [[wikt:word|word]] in [[s:A Book|a book]].") == Article("The word in a book.")


def test_links_of_dropped_parts_are_dropped():
    assert clean("a<ref>[[b]]</ref>{{unknown|[[c]]}}\n{|\n|[[d]]\n|}") == Article("a")


def test_link_before_dropped_text_at_the_end_is_kept():
    assert clean("In [[Berlin]]\n\n{{x}}\n[[Category:y]]\n") == Article("In Berlin", [Link("Berlin", 3, 9)])


def test_sections_know_their_title_level_and_where_their_text_starts():
    article = clean("Lead.\n== ''History'' ==\nOld.\n=== Later ===\nNew.\n==Empty==\n{{x}}")
    assert article.text == "Lead.\nOld.\nNew."
    assert article.sections == [Section("History", 2, 6), Section("Later", 3, 11)]


def test_dropped_sections_go_with_all_below_them():
    wikitext = "A.\n==See Also==\n* [[b]]\n===c===\nd\n== E ==\nF.\n== Notes ==\ng"
    article = clean(wikitext, Keep(dropped_sections={"see also", "notes"}))
    assert (article.text, article.links) == ("A.\nF.", [])
    assert [section.title for section in article.sections] == ["E"]


def test_tables_and_infoboxes_are_kept_when_asked_for():
    wikitext = (
        "{{Infobox city\n| name = [[x]]\n| area_km2 = 5\n| x = \n}}\nText.\n{|\n! h\n|-\n| 1 || [[b]]\n|}\nc"
    )
    assert clean(wikitext).text == "Text.\nc"
    article = clean(wikitext, Keep(tables=True, infoboxes=True))
    assert article.text == "name: x\narea km2: 5\nText.\nh\n1 | b\nc"
    assert [link.target for link in article.links] == ["X", "B"]


@pytest.mark.parametrize(
    ("wikitext", "text"),
    [
        ("Berlin ({{IPA|x}}, {{IPA|y}}) is.", "Berlin is."),
        ("Berlin ({{IPA|x}}; born 1900) is.", "Berlin (born 1900) is."),
        ("Berlin (born 1900, {{IPA|x}}) is.", "Berlin (born 1900) is."),
        ("main() and f( x ).", "main() and f( x )."),
    ],
)
def test_what_a_dropped_template_leaves_of_a_parenthesis_goes(wikitext, text):
    assert text_of(wikitext) == text
    article = clean(wikitext + " [[A]]")
    assert article.text[article.links[0].start : article.links[0].end] == "A"


@pytest.mark.parametrize("bad", ["[[", "{{", "{|", "<ref>", "'''", "[[a|", "</div>", "{{{", "&#", "== a"])
def test_unclosed_markup_does_not_swallow_the_page(bad):
    text = text_of(f"Before. {bad} after.\n\nNext paragraph.")
    assert text.startswith("Before.")
    assert "Next paragraph." in text


@pytest.mark.parametrize("opening", ["[[", "{{", "{|\n|", "<div>", "<ref>", "''", "{{{a|", "[http://a "])
def test_deep_nesting_does_not_crash(opening):
    check(clean(opening * 300 + "x"))


MARKUP = (
    "[[ ]] {{ }} {{{ }}} {| |} |- | ! || = == ' '' ''' <ref> </ref> <ref/> <br> <!-- --> <div> </div> <li> [ ] "
    "http://a.org & &nbsp; &#x41; &#0; &#55296; * # : ; ---- __TOC__ File: # convert| lang|de| <nowiki> </nowiki> "
    "<table> <b> <math> </math> start date| 1969|7|20 a B. 3.5 ½ \U0001f600"
).split()
BLANKS = [" ", "\n", "\t", "\u00a0", "\u2028", "\r"]
markup = st.sampled_from(MARKUP + BLANKS)


@settings(deadline=None, max_examples=50)
@given(st.lists(markup, max_size=40).map("".join))
@example("&#xD800;")
@example("[[a|b ]]")
@example("a [[b| c]]")
def test_any_markup_gives_text_with_true_offsets(wikitext):
    check(clean(wikitext))


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=60))
def test_any_text_gives_text_with_true_offsets(wikitext):
    check(clean(wikitext))


words = st.from_regex(r"[A-Za-zäé]{2,8}", fullmatch=True)


@settings(deadline=None, max_examples=50)
@given(st.lists(words, max_size=20))
def test_plain_words_come_through_unchanged(plain):
    assert clean(" ".join(plain)) == Article(" ".join(plain))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(words, words, words), max_size=10))
def test_every_link_of_plain_text_is_found(items):
    wikitext = " ".join(f"{word} [[T{target}|{anchor}]]." for word, target, anchor in items)
    article = clean(wikitext)
    text, links = article.text, article.links
    assert text == " ".join(f"{word} {anchor}." for word, _, anchor in items)
    found = [(link.target, text[link.start : link.end]) for link in links]
    assert found == [(f"T{target}", anchor) for _, target, anchor in items]


def test_real_articles_lose_their_markup_and_keep_their_sentences(data_root):
    pages = {p.title: p for p in read_pages(data_root / "dumps/enwiki-dated/2019-10-09.xml.bz2")}
    article = clean(pages["Berlin"].text)
    text, links = article.text, article.links
    check(article)
    assert "is the capital and largest city of Germany" in text
    assert not re.search(r"\{\{|\}\}|\[\[|\]\]|<ref|'''|^==|\|-", text, re.MULTILINE)
    assert sum(link.target == "Germany" for link in links) >= 1
    assert len(text) > 30_000


@pytest.mark.parametrize(
    ("wikitext", "text"),
    [
        ("a <!-- b. c\n\nd", "a"),
        ("One.<p>Two.<p>Three.</div> Four.<br>Five", "One.\nTwo.\nThree.\nFour.\nFive"),
        ("a</span> b <small>c", "a b c"),
        ("<nowiki><p></nowiki>", "<p>"),
        ("x < y and y > z", "x < y and y > z"),
        ("Rock &apos;n&apos; roll, &num;3, &amp;apos; &ccaron; &unknown;", "Rock 'n' roll, #3, &apos; č &unknown;"),
        ("At https://mill.example/a_b today, or [https://x.org the site] [https://y.org].",
         "At https://mill.example/a_b today, or the site ."),
        ("for (;;) and (1,) and ( x ) and ()", "for (;;) and (1,) and ( x ) and ()"),
        ("大阪（{{IPA|x}}、{{IPA|y}}）は", "大阪は"),
        ("A (<ref>b</ref>, c) d", "A (c) d"),
        ("10<sup>6</sup> m<sup>2</sup> x<sup>n</sup> 1<sup>st</sup> CO<sub>2</sub> 101<sub>2</sub> s<sup>−1</sup>",
         "10^6 m^2 x^n 1st CO2 101_2 s^−1"),
        ('<mapframe text="a">{"type":"Point"}</mapframe>b<templatedata>{"x":1}</templatedata>c', "bc"),
        ("{{TableHead}}\n! Year\n|-\n| 1999 || 3\n|}\nThe mill.", "The mill."),
        ("{{hs|5}}{{sortname|Ann|Lee|Ann Lee (x)}} is", "Ann Lee is"),
    ],
)  # fmt: skip
def test_text_is_what_a_reader_sees(wikitext, text):
    assert text_of(wikitext) == text


def test_the_caption_of_a_table_is_a_row():
    wikitext = "{|\n|+ style=x | Mills\n|-\n| a || b\n|}"
    assert clean(wikitext, Keep(tables=True)).text == "Mills\na | b"


def test_links_and_sections_stay_in_place_behind_an_emptied_parenthesis_at_the_start():
    article = clean(
        "({{pronunciation|x}}) '''Ulm''' is a [[city]] in [[Germany]].\n== Economy ==\nThe [[Danube]] trade."
    )
    assert article.text == "Ulm is a city in Germany.\nThe Danube trade."
    assert [article.text[link.start : link.end] for link in article.links] == ["city", "Germany", "Danube"]
    (section,) = article.sections
    assert article.text[section.start :] == "The Danube trade."
