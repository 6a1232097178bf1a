from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgl.core.errors import TglError
from tgl.probes.wikidata.times import day_of, days_held

FIRST = date(2018, 1, 1)


def at(text):
    """Return a time of the precision that it is written to: 2019, 2019-05 or 2019-05-07."""
    year, month, day = [*text.split("-"), "00", "00"][:3]
    return f"+{year}-{month}-{day}T00:00:00Z", 9 + text.count("-")


def held(start, end, *dates, point=False):
    """Return the dates at which a fact holds, or the reason."""
    days = [day_of(text) for text in dates]
    found = days_held([at(start)], [at(end)] if end else [], point, days=days)
    return found if isinstance(found, str) else [dates[days.index(day)] for day in found]


def test_fact_holds_from_its_start_to_the_day_before_its_end():
    dates = ("20190430", "20190501", "20191231", "20200101")
    assert held("2019-05-01", "2020-01-01", *dates) == ["20190501", "20191231"]
    assert held("2019-05-01", None, *dates) == ["20190501", "20191231", "20200101"]
    assert held("2019-05-01", "2019-05-01", *dates) == "other_dates"
    assert held("2020-01-02", None, *dates) == "other_dates"


def test_start_known_to_month_or_year_is_its_first_day():
    assert held("2019", None, "20181231", "20190101") == ["20190101"]
    assert held("2019-05", None, "20190430", "20190501") == ["20190501"]


@pytest.mark.parametrize(
    ("end", "holds", "uncertain", "over"),
    [
        ("2019", ["20181231", "20190101"], ["20190102", "20190601", "20191230"], ["20191231", "20200101"]),
        ("2019-05", ["20190430", "20190501"], ["20190502", "20190530"], ["20190531", "20190601"]),
        ("2020-12", ["20201201"], ["20201202", "20201230"], ["20201231", "20210101"]),
        ("9999-12", ["99991201"], ["99991202"], ["99991231"]),
    ],
)
def test_end_known_to_month_or_year_is_any_day_of_it_after_the_first(end, holds, uncertain, over):
    assert held("2010", end, *holds) == holds
    assert held("2010", end, *over) == "other_dates"
    for day in uncertain:
        assert held("2010", end, day) == "uncertain"
        assert held("2010", end, *holds, day) == "uncertain"  # one such day is enough


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (("-0044-00-00T00:00:00Z", 9), True),
        (("-13798000000-00-00T00:00:00Z", 3), True),
        (("+0000-01-01T00:00:00Z", 11), True),
        (("+00000001990-00-00T00:00:00Z", 8), True),  # the 1990s
        (("+2010-00-00T00:00:00Z", 8), "uncertain"),
        (("+2000-00-00T00:00:00Z", 7), "uncertain"),  # the century
        (("+1900-00-00T00:00:00Z", 7), True),
        (("+2100-00-00T00:00:00Z", 8), "other_dates"),
        (("+12019-01-01T00:00:00Z", 11), "other_dates"),
        (("+2019-01-01T10:20:30Z", 14), True),  # to the second
        (("2019-01-01T00:00:00Z", 11), True),  # as SPARQL services write it
        (None, "start_unknown"),
        (("+2019-02-30T00:00:00Z", 11), "broken_time"),
        (("+2019-13-00T00:00:00Z", 10), "broken_time"),
        (("+2019-00-00T00:00:00Z", 11), "broken_time"),
        (("2019", 9), "broken_time"),
        (("+2019-01-01T00:00:00Z", 15), "broken_time"),
        (("+2019-01-01T00:00:00Z", -1), "broken_time"),
        (("+" + "9" * 5000 + "-01-01T00:00:00Z", 11), "broken_time"),
    ],
)
def test_odd_starts(start, expected):
    day = day_of("20190101")
    assert days_held([start], [], False, days=[day]) == ((day,) if expected is True else expected)


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (None, "uncertain"),  # over, nobody knows since when
        (("-0044-00-00T00:00:00Z", 9), "other_dates"),
        (("-0044-12-00T00:00:00Z", 10), "other_dates"),
        (("+2010-00-00T00:00:00Z", 8), "uncertain"),
        (("+1990-00-00T00:00:00Z", 8), "other_dates"),
        (("+12019-00-00T00:00:00Z", 9), True),
        (("+2019-02-30T00:00:00Z", 11), "broken_time"),
    ],
)
def test_odd_ends(end, expected):
    day = day_of("20190101")
    assert days_held([at("2018")], [end], False, days=[day]) == ((day,) if expected is True else expected)


def test_unknown_end_is_certain_before_the_start_only():
    assert days_held([at("2020")], [None], False, days=[day_of("20190101")]) == "other_dates"


def test_statement_without_one_start_and_at_most_one_end_is_left_out():
    day, time = [day_of("20190101")], at("2018")
    assert days_held([], [], False, days=day) == "no_start"
    assert days_held([], [time], False, days=day) == "no_start"
    assert days_held([], [], True, days=day) == "point_in_time"
    assert days_held([time], [], True, days=day) == tuple(day)  # an interval that was looked at in between
    assert days_held([time, time], [], False, days=day) == "several_times"
    assert days_held([time], [time, None], False, days=day) == "several_times"


@pytest.mark.parametrize(
    "text", ["2019", "20190231", "2019-1-1", "00000101", "", "２０１９0101", "201901011"]
)
def test_date_that_does_not_exist_is_refused(text):
    with pytest.raises(TglError, match="not a date; expected an existing day YYYYMMDD"):
        day_of(text)


def possible_days(time, is_end):
    """Return every day that a time can mean, one by one."""
    text, precision = time
    year, month, day = int(text[1:5]), int(text[6:8]), int(text[9:11])
    if precision == 11:
        return [date(year, month, day)]
    if precision == 8:
        first, last = date(year - 10, 1, 1), date(year + 10, 12, 31)
    else:
        first = date(year, month if precision == 10 else 1, 1)
        last = first
        while (last + timedelta(1)).timetuple()[: precision - 8] == first.timetuple()[: precision - 8]:
            last += timedelta(1)
    days = [first + timedelta(number) for number in range((last - first).days + 1)]
    if precision == 8:
        return days
    return days[1:] if is_end else days[:1]


@st.composite
def times(draw):
    day = FIRST + timedelta(draw(st.integers(0, 1500)))
    precision = draw(st.sampled_from([8, 9, 10, 11]))
    shown = [day.year, day.month if precision > 9 else 0, day.day if precision > 10 else 0]
    return "+{:04}-{:02}-{:02}T00:00:00Z".format(*shown), precision


@given(times(), st.none() | times(), st.integers(-20, 1700))
def test_truth_is_what_every_possible_start_and_end_give(start, end, offset):
    day = FIRST + timedelta(offset)
    starts = [found <= day for found in possible_days(start, False)]
    ends = [day < found for found in possible_days(end, True)] if end else [True]
    truths = {begun and lasts for begun in set(starts) for lasts in set(ends)}
    number = day.toordinal()
    expected = {(True,): (number,), (False,): "other_dates"}.get(tuple(truths), "uncertain")
    assert days_held([start], [end] if end else [], False, days=[number]) == expected
