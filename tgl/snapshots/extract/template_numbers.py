"""Template rules for numbers: amounts of money, measures, fractions, powers."""

from __future__ import annotations

import re

from tgl.snapshots.extract.clean_text import CleanText
from tgl.snapshots.extract.template_call import Rule, Template
from tgl.snapshots.extract.template_dates import whole_number
from tgl.snapshots.extract.wiki_names import formatted_number
from tgl.snapshots.scripts import script_mark


def money(sign: str, behind: bool = False) -> Rule:
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


def _plain_number(text: str) -> str:
    """Return a number without blanks between its digits, and other text as it is."""
    return re.sub(r"\s", "", text) if re.fullmatch(r"[\d\s]+(?:\.\d+)?", text) else text


def measure(template: Template) -> None:
    """Write a number with the separators of the language, and units, each with its power."""
    number, *units = template.texts() or [""]
    written = [formatted_number(_plain_number(number), template.walker.keep.language)]
    for unit, power in zip(units[::2], [*units[1::2], ""], strict=False):
        written.append(f"{unit}^{power}" if power and power != "1" else unit)
    template.say(" ".join(filter(None, written)))


def currency(template: Template) -> None:
    """Write an amount with the sign of the currency whose code is the second parameter."""
    amount, code = template.text(1), template.text(2)
    sign = _CURRENCIES.get(code.lower())
    template.say(f"{sign}{amount}" if sign else f"{code.upper()} {amount}".strip())


def add_script(out: CleanText, text: str, name: str) -> None:
    """Add a superscript or subscript, with the mark of `script_mark`."""
    if mark := script_mark(out.last, text, name):
        out.add(mark)
    out.add(text)


def script(name: str) -> Rule:
    """Write the first parameter as a superscript (sup) or subscript (sub)."""
    return lambda template: add_script(template.walker.out, template.text(1), name)


_BETWEEN = {"-": "–", "–": "–", "to": " to ", "and": " and ", "or": " or ", "by": " by ", "x": " × ", "×": " × ",
            "*": " × ", "+/-": " ± ", "±": " ± ", "to about": " to about ", "and(-)": " and ", ",": ", ",
            "to(-)": "–", "to-": " to ", "xx": " × ", "+": " + ", "&": " & ", "/": "/"}  # fmt: skip


_FEET = {"ft": "in", "lb": "oz", "st": "lb", "mi": "ch", "yd": "ft"}


def convert(template: Template) -> None:
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


def measured(template: Template) -> None:
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


def fraction(template: Template) -> None:
    """Write a fraction of up to three parts."""
    parts = template.texts()
    if template.walker.out.last.isdigit():  # 5{{frac|1|2}} is not 51/2
        template.walker.out.add(" ")
    if len(parts) == 1:
        template.say(f"1/{parts[0]}")
    elif len(parts) == 2:
        template.say("/".join(parts))
    elif parts:
        template.say(f"{parts[0]} {'/'.join(parts[1:3])}")


def ordinal(template: Template) -> None:
    """Write a number with its English ending."""
    text = template.text(1)
    value = whole_number(text)
    if value is not None:
        text += "th" if 10 < value % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")
    template.say(text)


def formatnum(template: Template) -> None:
    """Write the argument with the separators of the language, with |R without any."""
    text = template.argument or template.text(1)
    if not any(character.isdigit() for character in text):  # what a dropped template has left of the number
        return None
    if template.text(1).upper() == "R" and template.argument:
        return template.say(text.replace(",", ""))
    template.say(formatted_number(text, template.walker.keep.language))
