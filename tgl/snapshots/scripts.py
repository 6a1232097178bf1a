"""Superscripts and subscripts in plain text."""

from __future__ import annotations

import re

_POWER = re.compile(r"[-+−–]?\d|[-−–][a-z]\b|[a-z]$")


def script_mark(before: str, text: str, name: str) -> str:
    """Return ^ or _ where the digits of a script would read as part of what comes before it, else "".

    10<sup>6</sup> must not become 106, nor x<sup>2</sup> x2. H<sub>2</sub>O and 1<sup>st</sup> need no mark.

    Args:
        before: The text before the script.
        text: The text of the script.
        name: sup or sub.
    """
    last = before[-1:]
    if name == "sup" and _POWER.match(text) and last and (last.isalnum() or last in ")]²³"):
        return "^"
    return "_" if name == "sub" and text[:1].isdigit() and last.isdigit() else ""
