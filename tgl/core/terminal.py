"""Make text safe for a terminal: show characters that move the cursor, hide text or reorder it as escapes."""

from __future__ import annotations

import re
from typing import TextIO

# Control characters except tab and newline; line and paragraph separators; direction marks, embeddings and isolates;
# invisible operators, byte order mark, tags; halves of surrogate pairs, which occur in file names that are not UTF-8.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)


def printable(text: str) -> str:
    """Return text with unsafe characters as escapes; line breaks and tabs stay."""
    return _UNSAFE.sub(lambda match: _escape(match[0]), text)


def one_line(text: str) -> str:
    """Return text as `printable` does, with line breaks as escapes too, so that it cannot imitate another line."""
    return printable(text).replace("\n", "\\n")


def write(text: str, stream: TextIO) -> None:
    """Write printable text and a line break to a stream and flush it.

    Characters that the stream's encoding lacks are written as escapes.
    """
    encoding = getattr(stream, "encoding", None) or "utf-8"
    print(printable(text).encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
