import math

import jinja2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tgl.config.root import Config
from tgl.report.page import highlight, interval, number, render


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0"), (7, "7"), (1234567, "1,234,567"), (3.0, "3"), (0.12345, "0.123"), (1.2345, "1.23"),
        (9999.4, "1e+04"), (12345.6, "1.23e+04"), (0.00012345, "1.23e-04"), (-0.5, "-0.5"),
        (None, "–"), (math.nan, "–"), (math.exp(60), "1.14e+26"), (np.float64("nan"), "–"), (np.int64(1500), "1,500"),
    ],
)  # fmt: skip
def test_numbers_are_short_and_readable(value, expected):
    assert number(value) == expected


@settings(deadline=None, max_examples=50)
@given(st.floats(-1e12, 1e12).filter(lambda value: abs(value) > 1e-12))
def test_a_number_keeps_three_digits_of_its_value(value):
    assert float(number(value).replace(",", "")) == pytest.approx(value, rel=0.006)


def test_the_number_of_digits_can_be_asked_for():
    assert number(0.12345, 2) == "0.12"


def test_intervals_have_two_ends_or_a_dash():
    assert interval(0.1234, 5.0) == "[0.123, 5]"
    assert interval(math.nan, math.nan) == "–"


def test_the_span_is_marked_and_text_is_escaped():
    row = {"text": "a <b> & c", "span_start": 2, "span_end": 5}
    assert str(highlight(row)) == "a <mark>&lt;b&gt;</mark> &amp; c"


def examples(probes, diffs=()):
    return render("examples.html.j2", config=Config(experiment="mine"), probes=probes, diffs=diffs)


def test_a_page_shows_probes_with_their_spans():
    row = {
        "relation": "city",
        "split": "test",
        "text": "Anna lives in Oslo",
        "span_start": 14,
        "span_end": 18,
    }
    page = examples([("world_updated", [row])])
    assert "<h3>world updated</h3>" in page
    assert "Anna lives in <mark>Oslo</mark>" in page
    assert "<title>Examples: mine</title>" in page


def test_a_page_escapes_what_comes_from_the_data():
    row = {"kind": "new_page", "title": "<script>alert(1)</script>", "text": "1 < 2 & 3"}
    page = examples([], [("20200101", [row])])
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "1 &lt; 2 &amp; 3" in page


def test_a_value_that_a_page_lacks_is_an_error_not_a_blank():
    with pytest.raises(jinja2.UndefinedError):
        render("examples.html.j2", config=Config(), probes=[])
