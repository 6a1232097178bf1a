"""The kinds of action that a template rule can name: each returns what a reader sees of a template.

`ACTIONS` holds them by the name that the rule tables use (`templates/en.json`). An entry is called with the parameters
of a rule and returns the rule as a function, which adds the text of one template to what is written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tgl.snapshots.extract.template_call import Template

MONTHS = "January February March April May June July August September October November December".split()

Rule = Callable[[Template], None]


def _value(keys: Sequence[str | int], otherwise: str = "") -> Rule:
    """Keep the first of these parameters that is present, else the text `otherwise`; key -1: the last numbered one."""

    def rule(template: Template) -> None:
        for key in keys:
            key = (template.positional or [""])[-1] if key == -1 else str(key)
            if key in template.parameters:
                return template.walk(key)
        template.say(otherwise)

    return rule


def _each(between: str = "", around: str = "") -> Rule:
    """Keep every numbered parameter with its links, with a text between them and one before and after all of them."""

    def rule(template: Template) -> None:
        template.say(around)
        for number, key in enumerate(template.positional):
            if number:
                template.say(between)
            template.walk(key)
        template.say(around)

    return rule


def _join(between: str, before: str = "", most: int | None = None) -> Rule:
    """Keep the text of the first `most` numbered parameters, with a text between them and one before."""
    return lambda template: template.say(before + between.join(template.texts()[:most]))


def _word(text: str) -> Rule:
    """Write a fixed text."""
    return lambda template: template.say(text)


def _around(before: str, after: str = "") -> Rule:
    """Write texts before and after the first parameter, and nothing where it is empty."""

    def rule(template: Template) -> None:
        if template.text(1):
            template.say(before)
            template.walk(1)
            template.say(after)

    return rule


def _money(sign: str) -> Rule:
    """Write the sign of a currency before the first parameter."""
    return lambda template: template.say(sign + template.text(1))


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 10 else None


def _day(parts: list[str], day_first: bool) -> str:
    """Return year, month and day as a reader sees them. Return the first part unchanged where they are no date."""
    numbers = [_number(part) for part in parts]
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


def _date(clock: bool = False) -> Rule:
    """Write the date that the numbered parameters give, with `clock` also its hours and minutes."""

    def rule(template: Template) -> None:
        parts = [text for text in template.texts() if text]
        day = _day(parts[:3], _is_day_first(template))
        time = [text for text in parts[3:5] if text.isdecimal()] if clock else []
        template.say(f"{':'.join(part.zfill(2) for part in time)}, {day}" if time else day)

    return rule


def _first_date(template: Template) -> None:
    """Write the first of two dates: death comes before birth where a template has both."""
    template.say(_day([part for part in template.texts()[:3] if part], _is_day_first(template)))


def _as_of(template: Template) -> None:
    word = template.text("alt")
    if not word:
        word = "as of " if template.text("lc") else "As of "
        word += _day(template.texts()[:3], day_first=True)
    template.say(word)


_BETWEEN = {"-": "–", "–": "–", "to": " to ", "and": " and ", "or": " or ", "by": " by ", "x": " × ", "×": " × ",
            "*": " × ", "+/-": " ± ", "±": " ± ", "to about": " to about ", "and(-)": " and ", ",": ", "}  # fmt: skip
_FEET = {"ft": "in", "lb": "oz", "st": "lb", "mi": "ch", "yd": "ft"}


def _convert(template: Template) -> None:
    """Write value and unit as they were given, with ranges and feet with inches. The converted value is left out."""
    texts = template.texts()
    written, rest = "".join(texts[:1]), texts[1:]
    while len(rest) >= 3 and rest[0] in _BETWEEN:
        written, rest = written + _BETWEEN[rest[0]] + rest[1], rest[2:]
    if len(rest) >= 3 and _FEET.get(rest[0]) == rest[2]:
        template.say(f"{written} {rest[0]} {rest[1]} {rest[2]}")
    else:
        template.say(f"{written} {rest[0]}" if rest else written)


def _measured(template: Template) -> None:
    """Write a number with its uncertainty, power of ten and unit."""
    written = "±".join(template.texts()[:2])
    if power := template.text("e"):
        written += f"×10^{power}"
    unit = template.text("u") or template.text("ul") or template.text("up")
    template.say(f"{template.text('p')}{written}{template.text('s')} {unit}".strip())


def _fraction(template: Template) -> None:
    parts = template.texts()
    if len(parts) == 1:
        template.say(f"1/{parts[0]}")
    elif len(parts) == 2:
        template.say("/".join(parts))
    elif parts:
        template.say(f"{parts[0]} {'/'.join(parts[1:3])}")


def _ordinal(template: Template) -> None:
    text = template.text(1)
    value = _number(text)
    if value is not None:
        text += "th" if 10 < value % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")
    template.say(text)


def _formatnum(template: Template) -> None:
    if template.argument[:1].isdigit():
        template.say(template.argument)


def _nihongo(template: Template) -> None:
    """Write the English text, then the original and its transcription in parentheses, as far as they are given."""
    texts = [template.text(number) for number in (1, 2, 3)]
    template.walk(1)
    if rest := ", ".join(filter(None, texts[1:])):
        template.say(f" ({rest})" if texts[0] else rest)


def _ship(template: Template) -> None:
    """Write the ship's prefix, which is the name of the template, its name and its number."""
    name, number = template.text(1), template.text(2)
    shown = f" ({number})" if number and not template.text(3) else ""
    template.say(f"{template.name.upper()} {name}{shown}")


def _ship_with_prefix(template: Template) -> None:
    template.say(" ".join(filter(None, (template.text(1), template.text(2)))))


def _quotation(template: Template) -> None:
    template.say("\n")
    _value(["text", "quote", 1])(template)
    template.say("\n")


def _without_parameters(rule: Rule) -> Callable[[], Rule]:
    return lambda: rule


ACTIONS: dict[str, Callable[..., Rule]] = {
    "value": _value,
    "each": _each,
    "join": _join,
    "word": _word,
    "around": _around,
    "money": _money,
    "date": _date,
    "first_date": _without_parameters(_first_date),
    "as_of": _without_parameters(_as_of),
    "convert": _without_parameters(_convert),
    "measured": _without_parameters(_measured),
    "fraction": _without_parameters(_fraction),
    "ordinal": _without_parameters(_ordinal),
    "formatnum": _without_parameters(_formatnum),
    "nihongo": _without_parameters(_nihongo),
    "ship": _without_parameters(_ship),
    "ship_with_prefix": _without_parameters(_ship_with_prefix),
    "quotation": _without_parameters(_quotation),
}
