import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgl.snapshots.extract.quotes import STYLE, mark_quotes
from tgl.snapshots.extract.wikitext import clean


@pytest.mark.parametrize(
    ("wikitext", "text"),
    [
        ("Dell'''Orfeo'' parla '''Rossi''' oggi.", "Dell'Orfeo parla Rossi oggi."),
        ("L'''Équipe'' est '''là'''.", "L'Équipe est là."),
        ("''''a''''", "'a'"),
        ("''''''a''' b", "'a b"),
        ("a 'b' c", "a 'b' c"),
        ("'''a''' ''b'' '''''c'''''", "a b c"),
        ("''a\nb'' c", "a\nb c"),
        ("x '''y''z", "x 'yz"),
        ("<nowiki>'''a'''</nowiki> ''b''", "'''a''' b"),
        ("''*'' star", "* star"),
        ("[[Rubik's Cube|''Rubik's'']] x", "Rubik's x"),
    ],
)
def test_quotes_go_and_apostrophes_stay(wikitext, text):
    assert clean(wikitext).text == text


@given(st.text("' ab\n", max_size=40))
def test_all_but_quotes_stays_in_order(wikitext):
    marked = mark_quotes(wikitext)
    assert "''" not in marked.replace("''''", "") or "''" in wikitext
    assert marked.replace(STYLE, "").replace("'", "") == wikitext.replace("'", "")
    assert marked.count("'") <= wikitext.count("'")


@given(st.text("ab \n'", max_size=30))
def test_single_apostrophes_are_not_touched(text):
    text = text.replace("''", "'a")
    if "''" not in text:
        assert mark_quotes(text) == text
