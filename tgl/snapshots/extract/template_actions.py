"""The kinds of action that a template rule can name: each returns what a reader sees of a template.

`ACTIONS` holds them by the name that the rule tables use (`templates/en.json`). An entry is called with the parameters
of a rule and returns the rule as a function, which adds the text of one template to what is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from tgl.snapshots.extract.clean_text import CleanText
from tgl.snapshots.extract.template_call import Template
from tgl.snapshots.extract.wiki_names import formatted_number

MONTHS = "January February March April May June July August September October November December".split()

Rule = Callable[[Template], None]


def _value(keys: Sequence[str | int], otherwise: str = "") -> Rule:
    """Keep the first of these parameters that is present, else the text `otherwise`; key -1: the last numbered one."""

    def rule(template: Template) -> None:
        for key in (*keys, "text", "content"):  # the usual names of a parameter that is numbered elsewhere
            key = (template.positional or [""])[-1] if key == -1 else str(key)
            if key in template.parameters:
                return template.walk(key)
        template.say(otherwise)

    return rule


def _each(between: str = "", around: str = "", most: int | None = None) -> Rule:
    """Keep the first `most` numbered parameters with their links, a text between them and one around all of them."""

    def rule(template: Template) -> None:
        template.say(around)
        for number, key in enumerate(template.positional[:most]):
            if number:
                template.say(between)
            template.walk(key)
        template.say(around)

    return rule


def _join(between: str, before: str = "", after: str = "", *, most: int | None = None) -> Rule:
    """Keep the text of the first `most` numbered parameters, with texts between, before and after them."""

    def rule(template: Template) -> None:
        texts = [text for text in template.texts()[:most] if text]
        template.say(before + between.join(texts) + after if texts else "")

    return rule


def _form(text: str, otherwise: str = "") -> Rule:
    """Write a text with {1}, {2}, {name} for parameters; a part in [] goes where one of its parameters is empty."""

    def filled(part: str, template: Template) -> tuple[str, bool]:
        values = {key: template.text(key) for key in _FIELD.findall(part)}
        return _FIELD.sub(lambda field: values[field[1]], part), all(values.values())

    def rule(template: Template) -> None:
        if template.text(_FIELD.search(text)[1]) == "":
            return template.say(otherwise)
        kept = []
        for number, part in enumerate(_OPTIONAL.split(text)):
            written, is_whole = filled(part, template)
            kept.append(written if not number % 2 or is_whole else "")
        template.say("".join(kept))

    return rule


_FIELD, _OPTIONAL = re.compile(r"\{(\w+)\}"), re.compile(r"\[([^\[\]]*)\]")


def _chosen(words: dict[str, str], otherwise: str = "") -> Rule:
    """Write the word for the first parameter, in any case, or the text `otherwise`."""
    return lambda template: template.say(words.get(template.text(1).lower(), otherwise))


def _nothing() -> Rule:
    """Write nothing: the template is a mark or a key that no reader sees."""
    return lambda template: None


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


def _money(sign: str, behind: bool = False) -> Rule:
    """Write the sign of a currency before the first parameter, or behind it. A factor of rupees follows as a word."""

    def rule(template: Template) -> None:
        amount, factor = template.text(1), _FACTORS.get(template.text(2).lower(), "")
        amount = f"{amount} {factor}".strip()
        template.say(f"{amount} {sign}" if behind else sign + amount)

    return rule


_FACTORS = {"c": "crore", "l": "lakh", "lc": "lakh crore", "k": "thousand", "m": "million", "b": "billion",
            "t": "trillion", "tc": "thousand crore", "crore": "crore", "lakh": "lakh"}  # fmt: skip
_CURRENCIES = {"usd": "US$", "us$": "US$", "eur": "€", "gbp": "£", "jpy": "¥", "cny": "CN¥", "inr": "₹", "krw": "₩",
               "aud": "A$", "cad": "C$", "nzd": "NZ$", "hkd": "HK$", "sgd": "S$", "brl": "R$", "rub": "₽", "try": "₺",
               "uah": "₴", "ils": "₪", "php": "₱", "thb": "฿", "vnd": "₫", "ngn": "₦", "mxn": "Mex$"}  # fmt: skip


def _local_date(
    form: str, months: Sequence[str], order: str = "dmy", *, month_alone: str = "{m} {y}", first: str = ""
) -> Rule:
    """Write a date in the form of a language, of numbered parameters in an order of d, m and y.

    form: with {d}, {m} and {y}. months: their names. month_alone: the form without a day. first: the first day.
    """

    def rule(template: Template) -> None:
        texts = template.texts()[:3]
        parts = dict(zip(order, texts, strict=False))
        day, month, year = (parts.get(key, "") for key in "dmy")
        number = _number(month)
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


def _later_date(form: str) -> Rule:
    """Write the second of two dates of year, month and day: birth comes before death."""

    def rule(template: Template) -> None:
        texts = template.texts()
        parts = texts[3:6] if len(texts) > 5 else texts[:3]
        template.say(
            form.format(y=parts[0], m=parts[1], d=parts[2]) if len(parts) == 3 else "".join(parts[:1])
        )

    return rule


def _link_text(template: Template) -> None:
    """Write the second parameter, or the first one where that is empty: a link with a text of its own."""
    template.walk(2 if template.text(2) else 1)


def _plain_number(text: str) -> str:
    """Return a number without blanks between its digits, and other text as it is."""
    return re.sub(r"\s", "", text) if re.fullmatch(r"[\d\s]+(?:\.\d+)?", text) else text


def _measure(template: Template) -> None:
    """Write a number with the separators of the language, and units, each with its power."""
    number, *units = template.texts() or [""]
    written = [formatted_number(_plain_number(number), template.walker.keep.language)]
    for unit, power in zip(units[::2], [*units[1::2], ""], strict=False):
        written.append(f"{unit}^{power}" if power and power != "1" else unit)
    template.say(" ".join(filter(None, written)))


def _currency(template: Template) -> None:
    """Write an amount with the sign of the currency whose code is the second parameter."""
    amount, code = template.text(1), template.text(2)
    sign = _CURRENCIES.get(code.lower())
    template.say(f"{sign}{amount}" if sign else f"{code.upper()} {amount}".strip())


def _old_style_date(template: Template) -> None:
    """Write a date of the new and of the old style: day and month, year, day and month of the old style."""
    new, year, old = ([*template.texts(), "", "", ""])[:3]
    template.say(f"{new} [O.S. {old}] {year}".strip() if old else f"{new} {year}".strip())


def _date_range(template: Template) -> None:
    """Write two dates, three numbered parameters each."""
    texts = template.texts()
    days = [_day([part for part in texts[at : at + 3] if part], _is_day_first(template)) for at in (0, 3)]
    template.say(" – ".join(filter(None, days)))


def add_script(out: CleanText, text: str, name: str) -> None:
    """Add a superscript or subscript, with ^ or _ where its digits would read as part of the number before it.

    10<sup>6</sup> must not become 106, nor x<sup>2</sup> x2. H<sub>2</sub>O and 1<sup>st</sup> need no mark.
    """
    before = out.last
    if name == "sup" and _POWER.match(text) and (before.isalnum() or before in ")]²³"):
        out.add("^")
    elif name == "sub" and text[:1].isdigit() and before.isdigit():
        out.add("_")
    out.add(text)


_POWER = re.compile(r"[-+−–]?\d|[-−–][a-z]\b|[a-z]$")


def _script(name: str) -> Rule:
    return lambda template: add_script(template.walker.out, template.text(1), name)


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
    if rest and (factor := _POWERS.match(rest[0])):
        rest = [f"{_WORDS_OF_POWERS[factor[1]]} {factor[2]}", *rest[1:]]
    if len(rest) >= 3 and _FEET.get(rest[0]) == rest[2]:
        template.say(f"{written} {rest[0]} {rest[1]} {rest[2]}")
    else:
        template.say(f"{written} {rest[0]}" if rest else written)


# Units may begin with a factor: e6km are million kilometres.
_WORDS_OF_POWERS = {"3": "thousand", "6": "million", "9": "billion", "12": "trillion"}
_POWERS = re.compile(r"e(3|6|9|12)(\D.*)")


def _measured(template: Template) -> None:
    """Write a number with its uncertainty, power of ten and unit."""
    number, *errors = [*template.texts()[:3], ""][:3] if template.texts() else [""]
    errors = [error for error in errors if error]
    if len(errors) == 2:
        written = number + "".join(error.replace("-", "−") for error in errors)
    else:
        written = "±".join([number, *(error.lstrip("±") for error in errors)])
    written = re.sub(r"(?<=\d)[eE]([-+−]?\d+)$", r"×10^\1", written)
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
    text = template.argument or template.text(1)
    if not any(character.isdigit() for character in text):  # what a dropped template has left of the number
        return None
    if template.text(1).upper() == "R" and template.argument:
        return template.say(text.replace(",", ""))
    template.say(formatted_number(text, template.walker.keep.language))


def _nihongo(template: Template) -> None:
    """Write the English text, then the original and its transcription in parentheses, as far as they are given."""
    texts = [template.text(number) for number in (1, 2, 3)] + [template.text(4) or template.text("extra")]
    template.walk(1)
    if rest := ", ".join(filter(None, texts[1:])):
        template.say(f" ({rest})" if texts[0] else rest)
    if behind := template.text(5) or template.text("extra2"):
        template.say(f" {behind}")


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
    "form": _form,
    "chosen": _chosen,
    "nothing": _nothing,
    "script": _script,
    "currency": _without_parameters(_currency),
    "local_date": _local_date,
    "later_date": _later_date,
    "link_text": _without_parameters(_link_text),
    "measure": _without_parameters(_measure),
    "date_range": _without_parameters(_date_range),
    "old_style_date": _without_parameters(_old_style_date),
    "fraction": _without_parameters(_fraction),
    "ordinal": _without_parameters(_ordinal),
    "formatnum": _without_parameters(_formatnum),
    "nihongo": _without_parameters(_nihongo),
    "ship": _without_parameters(_ship),
    "ship_with_prefix": _without_parameters(_ship_with_prefix),
    "quotation": _without_parameters(_quotation),
}
