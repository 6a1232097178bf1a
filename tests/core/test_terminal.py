import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgl.core.terminal import one_line, printable, write


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\x1b[2Jb", r"a\x1b[2Jb"),
        ("real\rfake", r"real\rfake"),
        ("\x9b31m\x07\x7f", r"\x9b31m\x07\x7f"),
        ("user\u202etxt.exe", r"user\u202etxt.exe"),
        ("a\u2066b\u2069\u2028", r"a\u2066b\u2069\u2028"),
        ("\udcff", r"\udcff"),
        ("é ☃ 中 \u200d 😀\t\n", "é ☃ 中 \u200d 😀\t\n"),
    ],
)
def test_what_moves_the_cursor_or_hides_text_is_an_escape_and_text_stays(text, expected):
    assert printable(text) == expected


@given(st.text(st.characters()))
def test_a_line_is_one_line_of_characters_that_can_be_encoded(text):
    found = one_line(text)
    assert len(found.splitlines()) <= 1
    found.encode("utf-8")


def test_what_an_encoding_lacks_is_written_as_an_escape():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    write("é\x1b", stream)
    assert stream.buffer.getvalue() == b"\\xe9\\x1b\n"
