"""What makes a page slow to parse: markup that is opened and never closed.

For each such opening the parser reads on to the end of the page, gives up, and goes back.
"""

from __future__ import annotations

import re

_OPENED = {"}}": "{{", "]]": "[[", "]": "[", "|}": "{|"}
_BRACKETS = frozenset(_OPENED.values())
# Inside these nothing is markup, if their end is there.
_RAW = {
    "<!--": "-->",
    **{f"<{name}": f"</{name}" for name in "math nowiki pre source syntaxhighlight score timeline".split()},
}
_TOKEN = re.compile(
    r"(?P<single><(?:br|wbr|hr|meta|link|img|li|dt|dd|th|td|tr)\b[^<>]*>)"
    r"|(?P<raw><!--|<(?:math|nowiki|pre|source|syntaxhighlight|score|timeline)\b)"
    r"|(?P<tag></?[a-z][a-z0-9]*|/>)"
    r"|(?P<bracket>\{\{|\}\}|\[\[|\]\]|\[|\]|^[:*# \t]*\{\||^[ \t]*\|\}(?!\}))",
    re.MULTILINE,
)


# Characters read again; a page at the limit takes seconds, or a minute. Articles stay below a fiftieth of it.
MOST_READ_AGAIN = 50_000_000


def is_too_slow(wikitext: str) -> bool:
    """Tell whether the parser would take more than a minute or so, and maybe days."""
    return num_unclosed(wikitext) * len(wikitext) > MOST_READ_AGAIN


def num_unclosed(wikitext: str) -> int:
    """Return how many templates, links, tables and tags are opened and not closed; time linear in the text."""
    text = wikitext.lower()
    stack: list[str] = []
    position, endless = 0, set()
    while match := _TOKEN.search(text, position):
        position, kind = match.end(), match.lastgroup
        token = match[kind].strip(":*# \t")
        top = stack[-1] if stack else ""
        if kind == "raw":
            end = -1 if token in endless else text.find(_RAW[token], position)
            if end >= 0:
                position = end + len(_RAW[token])
            else:
                endless.add(token)
                stack.append(token)
        elif kind == "tag" and token == "/>" and top.startswith("<"):
            stack.pop()
        elif token.startswith("</"):
            if top == "<" + token[2:]:
                stack.pop()
        elif token in _BRACKETS or token.startswith("<"):
            if kind != "single":
                stack.append(token)
        elif top == _OPENED.get(token, "/"):
            stack.pop()
    return len(stack)
