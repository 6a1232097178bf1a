import csv
import io

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgl.report.csv_text import csv_text


@pytest.mark.parametrize(
    "text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\tx", " =1", "=\n1", "-x", "\n@x"]
)
def test_text_that_a_spreadsheet_would_run_has_an_apostrophe_before_it(text):
    (_, row) = list(csv.reader(io.StringIO(csv_text(pd.DataFrame({"a": [text]})), newline="")))
    assert row == ["'" + text]


@pytest.mark.parametrize("text", ["-0.5", "+3e-2", "-inf", "a=b", "tgl_fp", "–", "x - y", "2020-01-01", ""])
def test_numbers_and_other_text_stay(text):
    (_, row) = list(csv.reader(io.StringIO(csv_text(pd.DataFrame({"a": [text], "b": [1]})))))
    assert row == [text, "1"]


@given(st.lists(st.floats(allow_nan=False), min_size=1))
def test_numbers_are_written_as_pandas_writes_them(values):
    table = pd.DataFrame({"value": values, "count": range(len(values))})
    assert csv_text(table) == table.to_csv(index=False, float_format="%.10g", lineterminator="\n")


def test_tables_without_rows_or_columns_are_written_too():
    assert csv_text(pd.DataFrame({"a": []})) == "a\n"
    assert csv_text(pd.DataFrame()) == pd.DataFrame().to_csv(index=False, lineterminator="\n")


def test_names_of_columns_are_text_as_well():
    assert csv_text(pd.DataFrame({"=a": [1]})) == "'=a\n1\n"


def test_characters_that_end_a_row_or_move_a_cursor_are_escapes():
    assert csv_text(pd.DataFrame({"a": ["x\r=1\x1b[2J"]})) == "a\nx\\r=1\\x1b[2J\n"
