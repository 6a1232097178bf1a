"""Text of others in a Markdown document: it shows as it is, and never becomes a table, a link, a heading or HTML."""

from __future__ import annotations

import re

from tgl.terminal import printable

_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
# An underscore inside a word, as in names of files and keys, is no emphasis.
_ACTIVE = re.compile(r"[\\`*\[\]|~$]|(?<!\w)_|_(?!\w)|^[#+-](?=\s)|&|<|>")


class Markdown(str):
    """Markdown of this project's own, which is not escaped."""


def markdown(value: object) -> Markdown:
    """Return Markdown as it is, and anything else as one line of plain text."""
    if isinstance(value, Markdown):
        return value
    return Markdown(_ACTIVE.sub(_escape, printable(" ".join(str(value).split()))))


def _escape(match: re.Match) -> str:
    return _HTML.get(match[0]) or f"\\{match[0]}"
