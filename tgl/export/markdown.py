"""Escape foreign text in Markdown, so that it never becomes a table, a link, a heading or HTML."""

from __future__ import annotations

import re

from tgl.core.terminal import printable

_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
# An underscore inside a word, as in file names and keys, is not emphasis in Markdown.
_ACTIVE = re.compile(r"[\\`*\[\]|~$]|(?<![^\W_])_|_(?![^\W_])|^[#+-](?=\s)|&|<|>")


class Markdown(str):
    """Markdown written by this project, which is not escaped."""


def markdown(value: object) -> Markdown:
    """Return `Markdown` unchanged, and any other value as one escaped line of plain text."""
    if isinstance(value, Markdown):
        return value
    return Markdown(_ACTIVE.sub(_escape, printable(" ".join(str(value).split()))))


def _escape(match: re.Match) -> str:
    return _HTML.get(match[0]) or f"\\{match[0]}"
