import pytest

from tgl.snapshots.scripts import script_mark


@pytest.mark.parametrize(
    ("before", "text", "name", "mark"),
    [
        ("10", "6", "sup", "^"),
        ("x", "2", "sup", "^"),
        ("(a + b)", "n", "sup", "^"),
        ("10", "−6", "sup", "^"),
        ("1", "st", "sup", ""),
        ("", "2", "sup", ""),
        ("note", "[1]", "sup", ""),
        ("101", "2", "sub", "_"),
        ("H", "2", "sub", ""),
        ("log", "10", "sub", ""),
    ],
)
def test_a_mark_stands_where_digits_would_read_as_part_of_what_is_before_them(before, text, name, mark):
    assert script_mark(before, text, name) == mark
