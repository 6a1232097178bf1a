"""The kinds of action that a template rule can name: each returns what a reader sees of a template.

`ACTIONS` holds them by the name that the rule tables use (`templates/en.json`). An entry is called with the parameters
of a rule and returns the rule as a function, which adds the text of one template to what is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from tgl.snapshots.extract import template_dates as dates
from tgl.snapshots.extract import template_numbers as numbers
from tgl.snapshots.extract.template_call import Rule, Template


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


def _link_text(template: Template) -> None:
    """Write the second parameter, or the first one where that is empty: a link with a text of its own."""
    template.walk(2 if template.text(2) else 1)


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
    "money": numbers.money,
    "date": dates.date,
    "first_date": _without_parameters(dates.first_date),
    "as_of": _without_parameters(dates.as_of),
    "convert": _without_parameters(numbers.convert),
    "measured": _without_parameters(numbers.measured),
    "form": _form,
    "chosen": _chosen,
    "nothing": _nothing,
    "script": numbers.script,
    "currency": _without_parameters(numbers.currency),
    "local_date": dates.local_date,
    "later_date": dates.later_date,
    "link_text": _without_parameters(_link_text),
    "measure": _without_parameters(numbers.measure),
    "date_range": _without_parameters(dates.date_range),
    "old_style_date": _without_parameters(dates.old_style_date),
    "fraction": _without_parameters(numbers.fraction),
    "ordinal": _without_parameters(numbers.ordinal),
    "formatnum": _without_parameters(numbers.formatnum),
    "nihongo": _without_parameters(_nihongo),
    "ship": _without_parameters(_ship),
    "ship_with_prefix": _without_parameters(_ship_with_prefix),
    "quotation": _without_parameters(_quotation),
}
