import difflib
import re
import time

import pytest

import tgl.snapshots.extract.wikitext as wikitext_module
from tgl.snapshots.dumps.reader import read_pages
from tgl.snapshots.extract.blocks import Block
from tgl.snapshots.extract.cuts import cut_links, cut_tables, cut_tags, cut_templates
from tgl.snapshots.extract.quotes import mark_quotes
from tgl.snapshots.extract.wikitext import clean


def none_kept(name):
    return False


@pytest.mark.parametrize(
    ("wikitext", "left"),
    [
        ("a<!-- [[b]] -->c", "ac"),
        ("a<ref>b</ref>c<ref name=x />d<REF name='y'>e</REF >f", "acdf"),
        ("a<references>b</references>c", "a<references>b</references>c"),
        ("<math>x^2</math>y<gallery>\nFile:a.jpg\n</gallery>", "y"),
        ("a<nowiki><ref>b</ref></nowiki><ref>c</ref>", "a<nowiki><ref>b</ref></nowiki>"),
        ("a<ref>b", "a<ref>b"),
        ("a<!-- b", "a"),
        ("İ<ref>b</ref>c", "İc"),  # whose small letter is longer
        ("a<ref>b</ref name=c>d</ref>e", "ae"),
    ],
)
def test_tags_dropped_whole_are_cut_where_they_are_closed(wikitext, left):
    assert cut_tags(wikitext) == left


@pytest.mark.parametrize(
    ("wikitext", "left"),
    [
        ("a {{b}} c", "a {{-}} c"),
        ("a {{b|{{c|d}}|e=[[f]]}} g", "a {{-}} g"),
        ("{{keep|{{b}}|c}}", "{{keep|{{-}}|c}}"),
        ("{{ Keep_it |a}} {{Keep\nit|b}}", "{{ Keep_it |a}} {{Keep\nit|b}}"),
        ("{{b|{{{1|}}}}} c", "{{b|{{{1|}}}}} c"),
        ("{{a [b] c}}", "{{a [b] c}}"),
        ("{{a", "{{a"),
        ("}} {{a}}", "}} {{-}}"),
        ("<nowiki>{{</nowiki> {{a}}", "<nowiki>{{</nowiki> {{a}}"),
    ],
)
def test_templates_are_cut_but_those_that_are_kept(wikitext, left):
    assert cut_templates(wikitext, lambda name: name in ("keep", "keep it")) == left


@pytest.mark.parametrize(
    ("wikitext", "left"),
    [
        ("a\n{| class=x\n| b\n|}\nc", "a\n{{-}}\nc"),
        ("a\n:{|\n| b\n{|\n| c\n|}\n|}\nd", "a\n:{{-}}\nd"),
        ("a {| b |} c", "a {| b |} c"),
        ("{|\n| a", "{|\n| a"),
        ("{|\n| {{a\n|}\n}}", "{|\n| {{a\n|}\n}}"),
    ],
)
def test_tables_are_cut_where_they_are_closed(wikitext, left):
    assert cut_tables(wikitext) == left


@pytest.mark.parametrize(
    ("wikitext", "left"),
    [
        ("a [[File:b|c]] d", "a {{-}} d"),
        ("[[ image : b.jpg|thumb|c [[d|e]] [[f]]]]\n[[g]]", "{{-}}\n[[g]]"),
        ("[[:File:b]] [[Filey]] [[a|File:b]]", "[[:File:b]] [[Filey]] [[a|File:b]]"),
        ("[[File:b|[http://c [[d]]]]]", "[[File:b|[http://c [[d]]]]]"),
        ("[[File:b\nc]] [[File:{{b}}]]", "[[File:b\nc]] [[File:{{b}}]]"),
        ("[[File:b", "[[File:b"),
    ],
)
def test_links_that_go_are_cut_with_what_is_in_them(wikitext, left):
    assert cut_links(wikitext, re.compile(r"\s*(?:file|image)\s*:", re.IGNORECASE)) == left


@pytest.mark.parametrize(
    "piece",
    [
        "{{a|",
        "}}",
        "{|\n",
        "<ref>",
        "<!--",
        "<ref name=a",
        "|}\n",
        "<math>",
        "{{{",
        "<pre ",
        "<ref></ref a",
        "[[File:",
        "]]",
    ],
)
def test_cutting_takes_time_linear_in_the_text(piece):
    wikitext = piece * (1_000_000 // len(piece))
    start = time.process_time()
    cut_links(cut_tables(cut_templates(cut_tags(wikitext), none_kept)), re.compile("File:"))
    assert time.process_time() - start < 20


# In well-formed markup, what the tokenizer makes of a page without cuts says the same. Where it does not, it has lost
# its way in an attribute or a table and left markup, or swallowed text.
MARKUP = re.compile(
    r"<ref|</|\{\||\|-|^\||__[A-Z]+__|\{\{|\|\||!!|<blockquote>|<tr>|align=|class=|^[-;*|]+$|\[http|\[\[File:"
)


def assert_only_markup_is_lost(title, before, after):
    """Check that what a page's text has no longer was markup, or is short."""
    before, after = before.split(), after.split()
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for kind, start, end, _, _ in matcher.get_opcodes() if before != after else ():
        lost = " ".join(before[start:end])
        assert kind in ("equal", "insert") or MARKUP.search(lost) or len(lost) < 40, (title, lost)


@pytest.mark.parametrize(
    "name",
    [
        "enwiki-2016/enwiki-20160501-fragment-pages-articles-multistream",
        "enwiki-dated/2022-08-24",
        "enwiki-2019/enwiki-20190120-fragment",
    ],
)
def test_cuts_lose_no_text_of_real_articles(data_root, monkeypatch, name):
    pages = [
        p for p in read_pages(data_root / f"dumps/{name}.xml.bz2") if p.namespace == 0 and not p.is_redirect
    ]
    monkeypatch.setattr(wikitext_module, "blocks", lambda wikitext: [Block("markup", wikitext)])
    cut = [clean(page.text).text for page in pages]
    monkeypatch.setattr(wikitext_module, "without_dropped", lambda wikitext, keep: mark_quotes(wikitext))
    whole = [clean(page.text).text for page in pages]
    equal = sum(one == other for one, other in zip(cut, whole, strict=True))
    assert equal >= 0.8 * len(pages)  # a cut reference in a parenthesis takes its comma along
    for page, one, other in zip(pages, cut, whole, strict=True):
        assert_only_markup_is_lost(page.title, other, one)
