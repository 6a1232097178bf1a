"""When a statement of Wikidata holds, as far as its times tell.

A time is known to a precision: 11 a day, 10 a month, 9 a year, below that a decade or more. A fact holds at a day when
its start is not after it and its end is after it, or there is none. A start known to the month or year is the first
day of it, as TempLAMA takes it. An end known to the month or year is any day of it after the first: what ended in 2019
still held on 1 January 2019, and from the second day to the last but one it is uncertain. A time coarser than a year
is any day of the spans that its number can mean. The calendar and the time zone are not looked at: they move days of
the distant past, or by hours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date

from tgl.errors import TglError

# A time as Wikidata writes it and its precision; None: there is one, but it is not known.
Time = tuple[str, int] | None
DAY, MONTH, YEAR = 11, 10, 9
FINEST = 14  # a second, as in a day
_TIME = re.compile(r"([+-]?)(\d{1,16})-(\d\d)-(\d\d)T\d\d:\d\d:\d\dZ")
_NEVER = date.max.toordinal() + 1


def day_of(text: str) -> int:
    """Return the number of a day YYYYMMDD, from 1 for 1 January of the year 1. Raises TglError for no such day."""
    match = re.fullmatch(r"([0-9]{4})([0-9]{2})([0-9]{2})", text)
    try:
        return date(*map(int, match.groups())).toordinal()
    except (AttributeError, ValueError):
        raise TglError(f"'{text}' is no date; expected an existing day YYYYMMDD") from None


def days_held(
    starts: Iterable[Time], ends: Iterable[Time], has_point: bool, days: Sequence[int]
) -> tuple[int, ...] | str:
    """Return those of `days` at which a statement holds, or the reason why it is left out.

    `starts` and `ends`: its values of P580 and P582; `has_point`: it has P585, a point in time. A statement without a
    start is left out, as one of a moment or of unknown length; so is one with several starts or ends, as nothing says
    which belong together. Where a day is uncertain, all are left out.
    """
    starts, ends = tuple(starts), tuple(ends)
    if not starts:
        return "point_in_time" if has_point else "no_start"
    if len(starts) > 1 or len(ends) > 1:
        return "several_times"
    if starts[0] is None:
        return "start_unknown"
    try:
        start = _span(*starts[0])
        if starts[0][1] in (YEAR, MONTH):
            start = (start[0], start[0])
        end = _end(ends[0]) if ends else (_NEVER, _NEVER)
    except ValueError:
        return "broken_time"
    held = [_holds(start, end, day) for day in days]
    if None in held:
        return "uncertain"
    return tuple(day for day, holds in zip(days, held, strict=True) if holds) or "other_dates"


def _end(time: Time) -> tuple[int, int]:
    if time is None:
        return 0, _NEVER
    first, last = _span(*time)
    return (min(first + 1, last), last) if time[1] in (YEAR, MONTH) else (first, last)


def _holds(start: tuple[int, int], end: tuple[int, int], day: int) -> bool | None:
    """Tell whether a fact holds at a day, None where that is uncertain; `start`, `end`: first and last possible day."""
    if day < start[0] or day >= end[1]:
        return False
    return True if day >= start[1] and day < end[0] else None


def _span(time: str, precision: int) -> tuple[int, int]:
    """Return the first and the last day that a time can mean; days before the year 1 are 0.

    Raises ValueError for what is no time.
    """
    match = _TIME.fullmatch(time)
    if not match or not 0 <= precision <= FINEST:
        raise ValueError(f"'{time}' of precision {precision}")
    year, month, day = (int(digits) for digits in match.groups()[1:])
    year = -year if match[1] == "-" else year
    if precision < YEAR:
        # 2000 may stand for the century from 1901 or 2000, or until 2000: what all readings span together.
        width = 10 ** (YEAR - precision)
        return _day(year - width, 1, 1), _day(year + width, 12, 31)
    if precision == YEAR:
        return _day(year, 1, 1), _day(year, 12, 31)
    if precision == MONTH:
        following = (year + 1, 1) if month == 12 else (year, month + 1)
        return _day(year, month, 1), max(_day(*following, 1) - 1, 0)
    return _day(year, month, day), _day(year, month, day)


def _day(year: int, month: int, day: int) -> int:
    if year < 1:
        return 0
    return _NEVER if year > date.max.year else date(year, month, day).toordinal()
