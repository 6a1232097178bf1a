"""Template rules for dates: what a reader sees of {{start date|1969|7|20}} and the like."""

from __future__ import annotations

from collections.abc import Sequence

from tgl.snapshots.extract.template_call import Rule, Template

MONTHS = "January February March April May June July August September October November December".split()


def local_date(
    form: str, months: Sequence[str], order: str = "dmy", *, month_alone: str = "{m} {y}", first: str = ""
) -> Rule:
    """Write a date in the form of a language, of numbered parameters in an order of d, m and y.

    form: with {d}, {m} and {y}. months: their names. month_alone: the form without a day. first: the first day.
    """

    def rule(template: Template) -> None:
        texts = template.texts()[:3]
        parts = dict(zip(order, texts, strict=False))
        day, month, year = (parts.get(key, "") for key in "dmy")
        number = whole_number(month)
        month = months[number - 1] if number and number <= 12 else month
        day = first if first and day in ("1", "01") else day.lstrip("0")
        if not month:
            template.say(" ".join(filter(None, texts)))
        elif not day:
            template.say(month_alone.format(m=month, y=year).strip())
        else:
            whole = form if year else form.partition("{m}")[0] + "{m}"
            template.say(whole.format(d=day, m=month, y=year).strip())

    return rule


def later_date(form: str) -> Rule:
    """Write the second of two dates of year, month and day: birth comes before death."""

    def rule(template: Template) -> None:
        texts = template.texts()
        parts = texts[3:6] if len(texts) > 5 else texts[:3]
        template.say(
            form.format(y=parts[0], m=parts[1], d=parts[2]) if len(parts) == 3 else "".join(parts[:1])
        )

    return rule


def old_style_date(template: Template) -> None:
    """Write a date of the new and of the old style: day and month, year, day and month of the old style."""
    new, year, old = ([*template.texts(), "", "", ""])[:3]
    template.say(f"{new} [O.S. {old}] {year}".strip() if old else f"{new} {year}".strip())


def date_range(template: Template) -> None:
    """Write two dates, three numbered parameters each."""
    texts = template.texts()
    days = [_day([part for part in texts[at : at + 3] if part], _is_day_first(template)) for at in (0, 3)]
    template.say(" – ".join(filter(None, days)))


def whole_number(text: str) -> int | None:
    """Return a whole number of at most nine digits, None for other text."""
    return int(text) if text.isdecimal() and len(text) < 10 else None


def _day(parts: list[str], day_first: bool) -> str:
    """Return year, month and day as a reader sees them. Return the first part unchanged where they are no date."""
    numbers = [whole_number(part) for part in parts]
    if len(numbers) > 1 and numbers[1] is None and parts[1].capitalize() in MONTHS:
        numbers[1] = MONTHS.index(parts[1].capitalize()) + 1
    if len(numbers) < 2 or not numbers[0] or not numbers[1] or numbers[1] > 12:
        return parts[0] if parts else ""
    month = MONTHS[numbers[1] - 1]
    if len(numbers) < 3 or not numbers[2]:
        return f"{month} {parts[0]}"
    return f"{numbers[2]} {month} {parts[0]}" if day_first else f"{month} {numbers[2]}, {parts[0]}"


def _is_day_first(template: Template) -> bool:
    return template.text("df").lower() in ("y", "yes", "1", "true")


def date(clock: bool = False) -> Rule:
    """Write the date that the numbered parameters give, with `clock` also its hours and minutes."""

    def rule(template: Template) -> None:
        parts = [text for text in template.texts() if text]
        day = _day(parts[:3], _is_day_first(template))
        time = [text for text in parts[3:5] if text.isdecimal()] if clock else []
        template.say(f"{':'.join(part.zfill(2) for part in time)}, {day}" if time else day)

    return rule


def first_date(template: Template) -> None:
    """Write the first of two dates: death comes before birth where a template has both."""
    template.say(_day([part for part in template.texts()[:3] if part], _is_day_first(template)))


def as_of(template: Template) -> None:
    """Write "As of" and the date, or the text `alt`."""
    word = template.text("alt")
    if not word:
        word = "as of " if template.text("lc") else "As of "
        word += _day(template.texts()[:3], day_first=True)
    template.say(word)
