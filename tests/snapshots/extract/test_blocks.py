"""Blocks of wikitext: what is read without the tokenizer comes out as the tokenizer has it."""

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tgl.snapshots.extract.wikitext as wikitext_module
from tests.snapshots.extract.test_cuts import assert_only_markup_is_lost
from tgl.snapshots.dumps.reader import read_pages
from tgl.snapshots.extract.blocks import Block, blocks
from tgl.snapshots.extract.clean_text import Keep
from tgl.snapshots.extract.wikitext import clean

quick = settings(
    deadline=None, derandomize=True, max_examples=300, suppress_health_check=[HealthCheck.too_slow]
)
WORDS = st.sampled_from(
    ["a", "Beta", " c ", "1.5", " (d)", "it's", "&nbsp;", "&#91;", "&", "&x;", "|", "=", "#", "*", ":", ";", " ' ", ">",
     "!", "\t", "\u00a0", "İ", "news:x", "/", "-"]
)  # fmt: skip


def joined(of, most=4):
    return st.lists(of, min_size=1, max_size=most).map("".join)


TEXT = joined(WORDS)
TITLE = st.sampled_from(
    ["A", "b c", "fr:D", "wikt:E", ":Category:F", "Category:G", "File:H.jpg", "#I", "a_b#c", "J: k"]
)
INLINE = st.recursive(
    TEXT,
    lambda inner: st.one_of(
        TITLE.map("[[{}]]".format),
        st.builds("[[{}|{}]]".format, TITLE, TEXT),
        st.builds("[https://x.org/{} {}]".format, st.sampled_from("a b&c d'e".split()), TEXT),
        st.sampled_from(
            ["[http://x.org]", "https://x.org/y", "<br>", "<br />", "<!-- x -->", "<ref>z</ref>"]
        ),
        inner.map("<small>{}</small>".format),
        inner.map("{{{{nowrap|{}}}}}".format),
        inner.map("{{{{gone|{}}}}}".format),
    ),
    max_leaves=4,
)
STYLED = st.sampled_from(["''", "'''", "'''''"]).flatmap(
    lambda marks: TEXT.map(f"y{marks} {{}} {marks}z".format)
)
LINE = st.one_of(
    joined(st.one_of(INLINE, STYLED)),
    st.builds("{} {}".format, st.sampled_from(["*", "#", ":", "**", ":*", ";"]), joined(INLINE, 2)),
    st.builds(
        "{0} {1} {0}".format,
        st.sampled_from(["==", "===", "===="]),
        st.sampled_from(["H", "References", "R&amp;D&nbsp;x", "[[J]]"]),
    ),
    st.sampled_from(
        ["", "----", "{|\n! a\n|-\n| b || c\n|}", "<div>\n* d\n</div>", "{{quote|\n* e\n}}", " f"]
    ),
)


def by_tokens_alone(wikitext, keep):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wikitext_module, "blocks", lambda whole: [Block("markup", whole)] if whole else [])
        return clean(wikitext, keep)


@quick
@given(st.lists(LINE, max_size=6).map("\n".join), st.booleans())
def test_well_formed_wikitext_reads_the_same_as_by_its_tokens_alone(wikitext, tables):
    keep = Keep(tables=tables, dropped_sections=frozenset(["references"]))
    assert clean(wikitext, keep) == by_tokens_alone(wikitext, keep)


@pytest.mark.parametrize(
    "name",
    [
        "enwiki-2016/enwiki-20160501-fragment-pages-articles-multistream",
        "enwiki-dated/2022-08-24",
        "enwiki-2019/enwiki-20190120-fragment",
    ],
)
def test_blocks_lose_no_text_of_real_articles(data_root, name):
    """Where the two differ, the tokenizer has paired quotes of different lines, and left markup or lost headings."""
    pages = [
        page
        for page in read_pages(data_root / f"dumps/{name}.xml.bz2")
        if page.namespace == 0 and not page.is_redirect
    ]
    found = [clean(page.text).text for page in pages]
    whole = [by_tokens_alone(page.text, Keep()).text for page in pages]
    assert sum(one == other for one, other in zip(found, whole, strict=True)) >= 0.95 * len(pages)
    for page, one, other in zip(pages, found, whole, strict=True):
        assert_only_markup_is_lost(page.title, other, one)


@quick
@given(
    st.lists(
        st.one_of(
            LINE, st.sampled_from("[[ ]] {{ }} {{{ }}} [ ] <b> </b> < '' ''' <nowiki> {| |} <!--".split())
        )
    ).map("\n".join)
)
def test_blocks_leave_out_nothing_but_the_marks_of_headings(wikitext):
    found = list(blocks(wikitext))
    assert all(block.text for block in found)
    whole = "".join(f"{'=' * block.level}{block.text}{'=' * block.level}\n" for block in found)
    assert "".join(whole.split()) == "".join(wikitext.split())


@pytest.mark.parametrize(
    ("wikitext", "kinds"),
    [
        ("a '''b''' [[c|''d'']]\n* e [http://f g]<br>{{-}}\n\nh", ["plain"]),
        ("a\n== b ==\nc", ["plain", "heading", "plain"]),
        ("a {{b}}\nc", ["markup", "plain"]),
        ("{{a|\nb\n}}\nc", ["markup", "plain"]),
        ("<div>\na\n</div>\nb", ["markup", "plain"]),
        ("[[a|b\nc]]\nd", ["markup", "plain"]),
        ("{|\n| a\n|}\nb", ["markup", "plain"]),
        ("a\n{{b\nc", ["plain", "markup"]),  # never closed
        ("[a) {{b]}}\nc", ["markup"]),
        ("{{a|{{{1}}}}}\nb", ["markup"]),
        ("a\n<nowiki>{{</nowiki>\nb", ["markup"]),
        ("''a\nb''", ["plain"]),
        ("; a : b\n---- \n&copyx; &eacute;\nmailto:a@b.c", ["markup", "markup", "plain", "markup"]),
    ],
)
def test_lines_are_plain_where_no_tokens_are_needed(wikitext, kinds):
    assert [block.kind for block in blocks(wikitext)] == kinds


def test_quotes_are_paired_within_a_line():
    assert clean("''a\nb'' '''c'''s").text == "a\nb cs"


@pytest.mark.parametrize(
    ("wikitext", "text", "links"),
    [
        ("a [[B| c ]] d", "a c d", [("B", "c")]),
        ("a[[B| c]][[D|e ]]f", "a ce f", [("B", "c"), ("D", "e")]),
        ("a [[B|]] [[C| ]] [[D|&nbsp;]] [[E|e]] f", "a e f", [("E", "e")]),
        ("a [[B|&nbsp;c&nbsp;]]&nbsp;d", "a c d", [("B", "c")]),
        (" [[B]]\n\n [[C|c\t]]", "B\nc", [("B", "B"), ("C", "c")]),
        ("a \x01b\x02 [[C]]", "a b C", [("C", "C")]),
    ],
)
def test_anchors_have_no_blanks_at_their_edges(wikitext, text, links):
    found = clean(wikitext)
    assert found.text == text
    assert [(link.target, found.text[link.start : link.end]) for link in found.links] == links


def test_a_dropped_section_ends_at_the_next_of_its_level_in_any_block():
    keep = Keep(dropped_sections=frozenset(["notes"]))
    wikitext = (
        "a\n== Notes ==\nb {{lang|fr|c}}\n=== d ===\ne\n== [[F]] ==\ng\n"
        "==Notes==\nh\n<div>\ni\n== J ==\n</div>\nk\n== L ==\nm"
    )
    found = clean(wikitext, keep)
    assert found.text == "a\ng\nm"
    assert [section.title for section in found.sections] == ["F", "L"]


def assert_linear(work, piece):
    def seconds(times):
        best = []
        for _ in range(3):
            start = time.process_time()
            work(piece * times)
            best.append(time.process_time() - start)
        return min(best)

    assert seconds(80_000) < 20 * seconds(8_000) + 0.1


@pytest.mark.parametrize(
    "piece", [*"''a [[ [[a| {{ <b> &# ]] ''''".split(), "[http://a ", "<b\n", "{|\n", "|}\n", "a: "]
)
def test_blocks_are_found_in_time_linear_in_the_text(piece):
    assert_linear(lambda wikitext: list(blocks(wikitext)), piece)


def test_ends_of_tables_behind_much_that_is_open_take_linear_time():
    assert_linear(lambda ends: list(blocks("[\n" * ends.count("|") + ends)), "|}\n")


@pytest.mark.parametrize(
    "piece", ["[[a| ]] ", "[[a|b ]]", " ", "&nbsp;", "''a'' ", "<br>", "* a\n", "[http://a b]"]
)
def test_plain_lines_are_read_in_time_linear_in_the_text(piece):
    assert_linear(clean, piece)
