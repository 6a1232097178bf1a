"""Wikitext as the tokens of mwparserfromhell's tokenizer, each opening with its end.

The tree that the library builds of them takes several times as long as the tokens.
"""

from __future__ import annotations

from mwparserfromhell.parser import ParserError, tokens
from mwparserfromhell.parser._tokenizer import CTokenizer  # the documented parser, without its tree

_CLOSED_BY = {
    tokens.TemplateOpen: tokens.TemplateClose,
    tokens.ArgumentOpen: tokens.ArgumentClose,
    tokens.WikilinkOpen: tokens.WikilinkClose,
    tokens.ExternalLinkOpen: tokens.ExternalLinkClose,
    tokens.HTMLEntityStart: tokens.HTMLEntityEnd,
    tokens.HeadingStart: tokens.HeadingEnd,
    tokens.CommentStart: tokens.CommentEnd,
    tokens.TagOpenOpen: (tokens.TagCloseClose, tokens.TagCloseSelfclose),
}
_ENDS = frozenset([*(kind for kind in _CLOSED_BY.values() if isinstance(kind, type)),
                   tokens.TagCloseClose, tokens.TagCloseSelfclose])  # fmt: skip
_PARTS = frozenset(
    [
        tokens.TemplateParamSeparator,
        tokens.TemplateParamEquals,
        tokens.WikilinkSeparator,
        tokens.ExternalLinkSeparator,
        tokens.TagCloseOpen,
        tokens.TagOpenClose,
    ]
)


class Tokens:
    """The tokens of a wikitext; `ends[i]`: index of the end of what token i opens; `parts[i]`: of its separators."""

    def __init__(self, wikitext: str) -> None:
        try:
            self.tokens: list[tokens.Token] = CTokenizer().tokenize(wikitext, 0, False)
        except ParserError as error:
            raise ValueError(str(error)) from None
        self.kinds = [type(token) for token in self.tokens]
        self.ends: dict[int, int] = {}
        self.parts: dict[int, list[int]] = {}
        stack: list[int] = []
        for number, kind in enumerate(self.kinds):
            if kind is tokens.Text:
                continue
            if kind in _CLOSED_BY:
                stack.append(number)
                self.parts[number] = []
            elif kind in _ENDS:
                self.ends[stack.pop()] = number
            elif kind in _PARTS:
                self.parts[stack[-1]].append(number)

    def plain(self, start: int, end: int) -> str:
        """Return the text tokens in [start, end) put together, as in the name of a template."""
        return "".join(
            self.tokens[number]["text"] for number in range(start, end) if self.kinds[number] is tokens.Text
        )
