"""Years between dates: what a share a year makes at dates that need not lie a year apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

_DAYS_OF_YEAR = 12 * 31


def years_between(earlier: str, later: str) -> float:
    """Return the years from one date (YYYYMMDD) to another, by the calendar.

    A month is 1/12 and a day 1/31 of a month, whatever the month: the same day of the next year is exactly 1.0
    years away, the same day of the next month exactly 1/12.
    """
    return (_days(later) - _days(earlier)) / _DAYS_OF_YEAR


def year_parts(dates: list[str]) -> list[tuple[int, float, float]]:
    """Return for each date after the first (index of the date its year began at, years to the date before, to it).

    A year begins at the first date, and anew at the first date that lies a year or more after its beginning.
    """
    parts, start = [], 0
    for date in range(1, len(dates)):
        before = years_between(dates[start], dates[date - 1])
        if before >= 1:
            start, before = date - 1, 0.0
        parts.append((start, before, years_between(dates[start], dates[date])))
    return parts


def due(before: float, now: float, yearly: float) -> int:
    """Return how many of `yearly` things a year fall between two moments, both in years since the year began.

    What rounding leaves over is carried to the next date of the same year: all its dates together get
    round(yearly), as one date a year would.
    """
    return round(yearly * now) - round(yearly * before)


def due_of_each(before: float, now: float, yearly: Mapping[str, float]) -> dict[str, int]:
    """Return `due` for things of several kinds, which take turns within the year.

    Kinds that were each rounded by themselves would come in step: many at one date, none at the next.
    """
    early, late = _number_by(before, yearly), _number_by(now, yearly)
    return {kind: late[kind] - early[kind] for kind in yearly}


def _number_by(moment: float, yearly: Mapping[str, float]) -> Counter[str]:
    """Return how many things of each kind there are by `moment`."""
    whole = Counter({kind: round(number * max(1.0, moment)) for kind, number in yearly.items()})
    if moment >= 1:
        return whole
    turns = sorted(((turn + 0.5) / number, kind) for kind, number in whole.items() for turn in range(number))
    return Counter(kind for _, kind in turns[: round(len(turns) * moment)])


def _days(date: str) -> int:
    return (12 * int(date[:4]) + int(date[4:6])) * 31 + int(date[6:])
