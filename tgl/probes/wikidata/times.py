"""Determine the days at which a statement of Wikidata holds.

A time has a precision: 11 means a day, 10 a month, 9 a year, and lower values mean a decade or more. A fact holds at a
day if its start is not later than the day and its end, if any, is later.

- A start with the precision of a month or year is the first day of it, as in TempLAMA.
- An end with the precision of a month or year is any day of it after the first. A fact that ended in 2019 held on 1
  January 2019. From the second day to the last but one it is uncertain.
- A time coarser than a year is any day of the spans that its number can mean.
- The calendar and the time zone are ignored. They matter only for the distant past, or shift a time by hours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date

from tgl.core.errors import TglError

# A time as Wikidata writes it and its precision. None means that the time exists but is not known.
Time = tuple[str, int] | None
DAY, MONTH, YEAR = 11, 10, 9
FINEST = 14  # a second, which is treated like a day
_TIME = re.compile(r"([+-]?)(\d{1,16})-(\d\d)-(\d\d)T\d\d:\d\d:\d\dZ")
_NEVER = date.max.toordinal() + 1


def day_of(text: str) -> int:
    """Return the ordinal of a day YYYYMMDD, which is 1 for 1 January of the year 1.

    Raises:
        TglError: The day does not exist.
    """
    match = re.fullmatch(r"([0-9]{4})([0-9]{2})([0-9]{2})", text)
    try:
        return date(*map(int, match.groups())).toordinal()
    except (AttributeError, ValueError):
        raise TglError(f"'{text}' is not a date; expected an existing day YYYYMMDD") from None


def days_held(
    starts: Iterable[Time], ends: Iterable[Time], has_point: bool, *, days: Sequence[int]
) -> tuple[int, ...] | str:
    """Return those of `days` at which a statement holds, or the reason for which it is discarded.

    A statement without a start is discarded, because its length is unknown. A statement with several starts or ends is
    discarded too, because it is unknown which of them belong together. If one day is uncertain, the whole statement is
    discarded.

    Args:
        starts: The values of P580 of the statement.
        ends: The values of P582 of the statement.
        has_point: Whether the statement has P585, a point in time.
        days: The ordinals of the wanted days.
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
    """Return whether a fact holds at a day, None if uncertain; `start`, `end` are (first, last) possible days."""
    if day < start[0] or day >= end[1]:
        return False
    return True if day >= start[1] and day < end[0] else None


def _span(time: str, precision: int) -> tuple[int, int]:
    """Return the first and the last day that a time can mean; days before the year 1 are 0."""
    match = _TIME.fullmatch(time)
    if not match or not 0 <= precision <= FINEST:
        raise ValueError(f"'{time}' with precision {precision}")
    year, month, day = (int(digits) for digits in match.groups()[1:])
    year = -year if match[1] == "-" else year
    if precision < YEAR:
        # 2000 may mean the century from 1901, from 2000 or until 2000. Use the union of all readings.
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
