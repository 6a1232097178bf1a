"""One template on the way over a wikitext: its name and parameters."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

from mwparserfromhell.parser import tokens as kinds


class Template:
    """A template between tokens `start` and `end` of a walk: its name, and its parameters by name or number."""

    def __init__(self, walker, name: str, start: int, *, end: int) -> None:
        self.walker, self.start, self.end = walker, start, end
        # In long templates a line end follows the name. A colon ends the name of a parser function.
        self.name, _, argument = " ".join(name.replace("_", " ").split()).partition(":")
        if self.name.lower() == "template":
            self.name, argument = argument, ""
        self.argument = argument.strip()

    @cached_property
    def parameters(self) -> dict[str, tuple[int, int]]:
        """The tokens [start, end) of each value; the last one counts where a name occurs twice."""
        source, found, number = self.walker.source, {}, 0
        parts = source.parts[self.start]
        for index, part in enumerate(parts):
            if source.kinds[part] is not kinds.TemplateParamSeparator:
                continue
            following = parts[index + 1] if index + 1 < len(parts) else None
            if following is not None and source.kinds[following] is kinds.TemplateParamEquals:
                key, value = source.plain(part + 1, following).strip(), following + 1
                end = parts[index + 2] if index + 2 < len(parts) else self.end
            else:
                number += 1
                key, value, end = str(number), part + 1, self.end if following is None else following
            found[key] = (value, end)
        return found

    @property
    def positional(self) -> list[str]:
        """The names of the numbered parameters, in order."""
        return sorted((key for key in self.parameters if key.isdecimal() and len(key) < 4), key=int)

    def text(self, key: str | int) -> str:
        """Return a parameter's clean text, "" without such a parameter."""
        return self.walker.text(*self.parameters[str(key)]) if str(key) in self.parameters else ""

    def texts(self) -> list[str]:
        """Return the clean text of the numbered parameters."""
        return [self.text(key) for key in self.positional]

    def walk(self, key: str | int) -> None:
        """Add a parameter's text, with its links, to what is written."""
        if str(key) in self.parameters:
            self.walker.walk(*self.parameters[str(key)])

    def say(self, text: str) -> None:
        """Add a text to what is written."""
        self.walker.out.add(text)


# What adds the text of one template to what is written.
Rule = Callable[[Template], None]
