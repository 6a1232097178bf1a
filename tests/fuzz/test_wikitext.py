"""Wikitext of any shape gives text with true offsets, in time."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.cases import cases, in_time
from tests.snapshots.extract.test_wikitext import MARKUP, check
from tgl.snapshots.extract.clean_text import Article, Keep, Link, Section
from tgl.snapshots.extract.cleaning import CleaningProcess, Limits
from tgl.snapshots.extract.simple import clean_simply
from tgl.snapshots.extract.wikitext import clean

words = st.sampled_from(
    [
        "Berlin",
        "3.5 km",
        "½",
        "\U0001f600",
        "a",
        "\u00a0",
        "\u2028",
        "|",
        "=",
        "\n",
        "''",
        "'''",
        "\n* ",
        "&nbsp;",
        "#",
    ]
)
names = st.sampled_from("convert|start date|lang|nowrap|val|infobox|#if:|{{x}}|Größe|1| ".split("|"))


def _in(inner):
    """Return markup that holds other markup."""
    several = st.lists(inner, max_size=3)
    return st.one_of(
        st.tuples(names, several).map(lambda found: "{{" + "|".join([found[0], *found[1]]) + "}}"),
        st.tuples(names, several).map(lambda found: "[[" + "|".join([found[0], *found[1]]) + "]]"),
        several.map(lambda found: "{{{" + "|".join(found) + "}}}"),
        several.map(lambda cells: '\n{| class="x"\n|+ c\n|-\n! h\n| ' + "\n|-\n| ".join(cells) + "\n|}\n"),
        inner.map(lambda text: f"[http://a.org {text}]"),
        inner.map(lambda text: f"<!-- {text} -->"),
        inner.map(lambda text: f"\n== {text} ==\n"),
        st.tuples(
            st.sampled_from("ref div b sub nowiki math gallery span li table".split()),
            st.sampled_from(["", ' name="a"', " a=b c", " style='{{x}}'", ' title="a>b"']),
            inner,
        ).map(lambda found: f"<{found[0]}{found[1]}>{found[2]}</{found[0]}>"),
        several.map("".join),
    )


markup = st.recursive(words, _in, max_leaves=25)


@st.composite
def broken(draw):
    """Return markup with pieces taken out, put in and repeated, of at most some thousand characters."""
    text = draw(markup)
    for _ in range(draw(st.integers(0, 4))):
        start, size = draw(st.integers(0, len(text))), draw(st.integers(1, 12))
        kind = draw(st.sampled_from(["drop", "insert", "repeat"]))
        if kind == "drop":
            text = text[:start] + text[start + size :]
        elif kind == "insert":
            text = (
                text[:start] + draw(st.sampled_from([*MARKUP, "{{a|", "[[a|", "<div ", '"'])) + text[start:]
            )
        else:
            text = (
                text[:start] + text[start : start + size] * draw(st.integers(1, 200)) + text[start + size :]
            )
    return text[:4000]


@cases(0.08)
@given(markup)
def test_nested_markup_gives_text_with_true_offsets(wikitext):
    with in_time():
        article = clean(wikitext)
    check(article)


@pytest.fixture(scope="module")
def cleaned():
    """Yield a function that cleans a page in a process of its own, which is given up after some seconds.

    Broken markup of a few thousand characters can keep the parser busy for a quarter of an hour and more.
    """

    with CleaningProcess(Keep(), Limits(seconds=5)) as process:
        yield process.clean


@cases(0.12)
@given(wikitext=broken())
def test_broken_markup_gives_text_with_true_offsets(cleaned, wikitext):
    with in_time():
        found = cleaned(wikitext)
    row = json.loads(found.row)
    links = [Link(**link) for link in row["links"]]
    check(Article(row["text"], links, [Section(**section) for section in row["sections"]]))


@cases(0.02)
@given(broken())
def test_simple_cleaning_gives_text_of_any_markup(wikitext):
    with in_time():
        article = clean_simply(wikitext)
    check(article)
    assert not re.search(r"[{}\[\]]|''", article.text)
