import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgl.core.years import due, due_of_each, year_parts, years_between

MOMENTS = st.lists(st.floats(0, 1), max_size=20).map(lambda moments: sorted([0.0, *moments, 1.0]))


@pytest.mark.parametrize(
    ("earlier", "later", "months"),
    [
        ("20190101", "20200101", 12),
        ("20191231", "20201231", 12),
        ("20200229", "20210229", 12),
        ("20190101", "20190201", 1),
        ("20190201", "20190301", 1),
        ("20191115", "20200215", 3),
        ("20190101", "20220101", 36),
        ("20190101", "20190101", 0),
    ],
)
def test_months_are_counted_from_the_calendar(earlier, later, months):
    assert years_between(earlier, later) == months / 12


def test_a_day_is_a_31st_of_a_month_in_every_month():
    assert years_between("20190101", "20190102") == years_between("20190228", "20190229") == 1 / (12 * 31)


@given(st.lists(st.dates(), min_size=3, max_size=3, unique=True))
def test_later_dates_lie_further_and_parts_add_up(dates):
    first, second, third = (f"{date:%Y%m%d}".zfill(8) for date in sorted(dates))
    assert 0 < years_between(first, second) < years_between(first, third)
    assert years_between(first, second) + years_between(second, third) == pytest.approx(
        years_between(first, third)
    )


def test_each_of_yearly_dates_is_a_year_of_its_own():
    dates = [f"{year}0315" for year in range(2019, 2024)]
    assert year_parts(dates) == [(0, 0.0, 1.0), (1, 0.0, 1.0), (2, 0.0, 1.0), (3, 0.0, 1.0)]


def test_dates_within_a_year_belong_to_it_and_the_next_year_begins_at_its_last():
    dates = ["20190101", "20190701", "20200101", "20200401", "20210601", "20210701"]
    found = year_parts(dates)
    assert found == [
        (0, 0.0, 0.5),
        (0, 0.5, 1.0),
        (2, 0.0, 0.25),
        (2, 0.25, pytest.approx(17 / 12)),
        (4, 0.0, pytest.approx(1 / 12)),
    ]


@given(MOMENTS, st.floats(0, 10_000))
def test_what_is_due_over_the_dates_of_a_year_is_what_is_due_at_once(moments, yearly):
    parts = [due(before, now, yearly) for before, now in zip(moments, moments[1:], strict=False)]
    assert min(parts) >= 0
    assert sum(parts) == round(yearly) == due(0.0, 1.0, yearly)


@given(MOMENTS, st.floats(0, 10_000))
def test_what_is_due_by_a_date_is_never_off_by_more_than_half_a_thing(moments, yearly):
    done = 0
    for before, now in zip(moments, moments[1:], strict=False):
        done += due(before, now, yearly)
        assert abs(done - yearly * now) <= 0.5 + 1e-6


def test_a_small_share_is_not_lost_over_many_short_periods():
    months = [month / 12 for month in range(13)]
    assert [due(before, now, 3.0) for before, now in zip(months, months[1:], strict=False)].count(1) == 3


KINDS = st.dictionaries(st.sampled_from("abcdefgh"), st.floats(0, 100), min_size=1)


@given(MOMENTS, KINDS, st.floats(1, 3))
def test_what_is_due_of_each_kind_adds_up_to_the_year_s_and_beyond(moments, yearly, end):
    totals = dict.fromkeys(yearly, 0)
    for before, now in zip(moments[:-1], [*moments[1:-1], end], strict=True):
        found = due_of_each(before, now, yearly)
        assert list(found) == list(yearly)
        assert min(found.values()) >= 0
        totals = {kind: totals[kind] + number for kind, number in found.items()}
    assert totals == {kind: due(0.0, end, number) for kind, number in yearly.items()}


def test_kinds_take_turns_so_that_no_month_is_without_any():
    yearly = dict.fromkeys("abcd", 2.24) | dict.fromkeys("efg", 6.4)
    months = [month / 12 for month in range(13)]
    found = [due_of_each(before, now, yearly) for before, now in zip(months, months[1:], strict=False)]
    assert {sum(month.values()) for month in found} == {2, 3}
    for kind, number in yearly.items():
        halves = [sum(month[kind] for month in half) for half in (found[:6], found[6:])]
        assert sum(halves) == round(number)
        assert abs(halves[0] - halves[1]) <= 1
