import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tgl.core.errors import TglError
from tgl.core.json_text import MOST_LEVELS, check_values, parse_json, read_json

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=9,
)


@settings(deadline=None, max_examples=100)
@given(values, st.booleans())
def test_json_comes_back_as_it_was_written(value, ascii_only):
    assert parse_json(json.dumps(value, ensure_ascii=ascii_only)) == value


def test_whole_surrogate_pairs_are_characters_and_halves_are_refused():
    assert parse_json('"\\ud83d\\ude00"') == "\U0001f600"
    for text in ('"\\ud83d"', '{"\\udc00": 1}', '[["a\\ud800"]]', '"\udc80"'):
        with pytest.raises(ValueError, match="surrogates not allowed"):
            parse_json(text)


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_nesting_is_bounded(opening):
    closing = "]" if opening == "[" else "}"
    for levels in (MOST_LEVELS - 1, MOST_LEVELS, 500, 100_000):
        text = opening * levels + "1" + closing * levels
        if levels < MOST_LEVELS:
            parse_json(text)
        else:
            with pytest.raises(ValueError, match="nested more than"):
                parse_json(text)


def test_numbers_of_thousands_of_digits_are_refused():
    with pytest.raises(ValueError, match="digits"):
        parse_json("1" * 5000)


def test_aliases_count_where_they_are_used():
    check_values([[1, 2]] * 3, most_values=10)
    with pytest.raises(ValueError, match="more than 9 keys and values"):
        check_values([[1, 2]] * 3, most_values=9)
    value = {"a": 1}
    for _ in range(40):
        value = {"a": value, "b": value}
    with pytest.raises(ValueError, match="more than 1000"):
        check_values(value, most_values=1000)
    wide = [list(range(900))] * 900
    with pytest.raises(ValueError, match="more than 1000"):
        check_values([wide] * 900, most_values=1000)


def test_a_value_inside_itself_is_nested_too_deeply():
    value = []
    value.append(value)
    with pytest.raises(ValueError, match="nested more than"):
        check_values(value)


@pytest.mark.parametrize(
    ("content", "kind", "message"),
    [
        (b'{"a":', dict, "not valid JSON"),
        (b"", dict, "not valid JSON"),
        (b"\xff\xfe", dict, "not valid JSON"),
        (b"[1]", dict, "holds list, expected an object"),
        (b"{}", list, "holds dict, expected a list"),
        (b"3", dict, "holds int, expected an object"),
        (b"null", list, "holds NoneType, expected a list"),
    ],
)
def test_json_file_of_another_form_is_refused_by_name(tmp_path, content, kind, message):
    path = tmp_path / "gate.json"
    path.write_bytes(content)
    with pytest.raises(TglError, match=rf"gate\.json: {message}.*Give an undamaged file"):
        read_json(path, kind)


def test_missing_and_unreadable_json_files_are_refused_by_name(tmp_path):
    with pytest.raises(TglError, match=r"none\.json: no such file"):
        read_json(tmp_path / "none.json")
    with pytest.raises(TglError, match="a folder, not a regular file; expected JSON that holds an object"):
        read_json(tmp_path)


def test_json_file_comes_back(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"a": [1]}')
    assert read_json(path) == {"a": [1]}
