"""Years between dates, and how many things of a yearly number fall between two dates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

_DAYS_OF_YEAR = 12 * 31


def years_between(earlier: str, later: str) -> float:
    """Return the calendar years from one date (YYYYMMDD) to another.

    Every month counts as 1/12 year and every day as 1/31 month. So the same day of the next year is exactly 1.0 years
    away, and the same day of the next month exactly 1/12.
    """
    return (_days(later) - _days(earlier)) / _DAYS_OF_YEAR


def year_parts(dates: list[str]) -> list[tuple[int, float, float]]:
    """Divide dates into years and return the position of each date in its year.

    The first year begins at the first date. The next year begins at the first date that is a year or more later.

    Args:
        dates: Dates (YYYYMMDD) in ascending order.

    Returns:
        For each date after the first: the index of the date at which its year began, the years from there to the
        previous date, and the years from there to the date itself.
    """
    parts, start = [], 0
    for date in range(1, len(dates)):
        before = years_between(dates[start], dates[date - 1])
        if before >= 1:
            start, before = date - 1, 0.0
        parts.append((start, before, years_between(dates[start], dates[date])))
    return parts


def due(before: float, now: float, yearly: float) -> int:
    """Return how many things fall between two moments of a year.

    Rounding remainders are carried to the next date of the same year. So all dates of a year together get
    round(yearly) things, the same number as a single date per year.

    Args:
        before: The earlier moment, in years since the year began.
        now: The later moment, in years since the year began.
        yearly: Number of things per year.
    """
    return round(yearly * now) - round(yearly * before)


def due_of_each(before: float, now: float, yearly: Mapping[str, float]) -> dict[str, int]:
    """Return `due` for things of several kinds, which alternate within the year.

    If each kind were rounded separately, all kinds would fall on the same dates: many at one date, none at the next.
    """
    early, late = _number_by(before, yearly), _number_by(now, yearly)
    return {kind: late[kind] - early[kind] for kind in yearly}


def _number_by(moment: float, yearly: Mapping[str, float]) -> Counter[str]:
    """Return the number of things of each kind up to `moment`."""
    whole = Counter({kind: round(number * max(1.0, moment)) for kind, number in yearly.items()})
    if moment >= 1:
        return whole
    turns = sorted(((turn + 0.5) / number, kind) for kind, number in whole.items() for turn in range(number))
    return Counter(kind for _, kind in turns[: round(len(turns) * moment)])


def _days(date: str) -> int:
    return (12 * int(date[:4]) + int(date[4:6])) * 31 + int(date[6:])
