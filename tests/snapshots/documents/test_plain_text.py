import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.cases import refused_or
from tgl.core.errors import TglError
from tgl.snapshots.documents.plain_text import ENDINGS, document_of_file


def read(name, text):
    return document_of_file(name, text if isinstance(text, bytes) else text.encode(), name)


def test_plain_text_is_kept_as_it_is():
    found = read("a/b/notes.txt", b"\xef\xbb\xbf# no heading\r\nline  two\n")
    assert (found.identity, found.title, found.text) == (
        "a/b/notes.txt",
        "notes",
        "# no heading\nline  two\n",
    )


def test_markdown_is_read_as_a_reader_sees_it():
    found = read(
        "a.md",
        "# The *title*\n\nSome **bold** text\nover two lines, with [a link](http://x.org).\n\n- one\n- two\n\n"
        "```python\ndef f():\n    return 1\n```\n\n| a | b |\n|---|---|\n| 1 | long |\n",
    )
    assert found.title == "The title"
    assert found.text.splitlines() == [
        "The title", "", "Some bold text over two lines, with a link.", "", "  * one", "  * two",
        "def f():", "    return 1", "", "a | b", "1 | long",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "title"),
    [
        ("a.md", "Install guide\n=============\n\nText.", "Install guide"),
        ("a.md", "```sh\n# install it\nmake\n```\n", "a"),
        ("a.md", "# The `foo` **tool** &amp; [Bar](http://x)\n", "The foo tool & Bar"),
        ("a.html", "<!-- <title>Old</title> --><title>New\n one</title><p>x</p>", "New one"),
        ("a.html", "<body><svg><title>icon</title></svg><p>x</p></body>", "a"),
        ("a.html", '<?xml version="1.0" encoding="utf-8"?><html><head><title>Ä</title></head></html>', "Ä"),
        ("a.html", "", "a"),
    ],
)
def test_the_title_is_what_a_reader_sees(name, text, title):
    assert read(name, text).title == title


def test_the_id_is_the_same_in_each_unicode_form_of_a_name():
    assert read("docs/Sa\u0303o.md", "x").identity == read("docs/S\u00e3o.md", "x").identity


def test_html_loses_its_markup_and_keeps_superscripts():
    found = read(
        "a.html",
        "<html><head><title>A &amp; B</title><style>p{}</style></head><body><script>1</script><p>10<sup>6</sup> m"
        "<br>H<sub>2</sub>O</p><!-- no --><div>next</div></body></html>",
    )
    assert (found.title, found.text) == ("A & B", "10^6 m\nH2O\n\nnext")


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("101<sub>2</sub> is five", "101_2 is five"),
        ("log<sub>10</sub>5", "log105"),
        ("5<sup>th</sup>", "5th"),
        ("note<sup>[1]</sup>", "note[1]"),
        ("<b>x</b><sup>2</sup>", "x^2"),
        ("10<SUP><i>6</i></SUP> m", "10^6 m"),
        ("10<b><sup>6</sup></b>", "10^6"),
        ("10<span></span><sup>6</sup>", "10^6"),
        ("x<!-- c --><sup>2</sup>", "x^2"),
        ("1</p><p><sup>2</sup> a note", "1\n\n2 a note"),
    ],
)
def test_scripts_are_marked_where_their_digits_would_join_a_number(html, text):
    assert read("a.html", f"<p>{html}</p>").text == text


def test_front_matter_is_no_text_and_may_hold_the_title():
    front = '---\ntitle: "Install guide"\ndate: 2024-01-02\n---\n'
    found = read("a/b.md", f"{front}\nRun it. It works.")
    assert (found.title, found.text) == ("Install guide", "Run it. It works.")
    assert read("a/b.md", f"{front}# Heading\n\nRun it.").title == "Heading"
    assert read("b.md", "---\n\n# Title\n\nSome text: here.\n\n---\n\nRest.").title == "Title"
    assert "Some text" in read("b.md", "---\nSome text\n\n---\n\nRest.").text
    assert read("b.md", "---\ntitle: [broken\n---\nRest.").title == "b"
    assert read("b.html", "<!-- <sup> -->").text == ""


def test_pages_without_a_title_have_the_name_of_their_file():
    assert read("x/page.htm", "<p>a</p>").title == "page"
    assert read("x/page.md", "text").title == "page"
    assert read("x/empty.html", "").text == ""


def test_other_encodings_are_refused():
    with pytest.raises(TglError, match=r"a\.txt: not UTF-8 .*iconv"):
        read("a.txt", "Größe".encode("latin-1"))


@given(st.sampled_from(ENDINGS), st.text())
def test_any_text_is_read_or_refused_by_name(ending, text):
    refused_or(lambda: read(f"a{ending}", text.encode()), f"a{ending}")
