"""Wikitext to clean text with sections and the links' offsets."""

from __future__ import annotations

import html
import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

from mwparserfromhell.parser import tokens as kinds

from tgl.wiki.clean_text import Article, CleanText
from tgl.wiki.cuts import DROPPED_TAGS, cut_tables, cut_tags, cut_templates
from tgl.wiki.template import Template
from tgl.wiki.templates import is_infobox, rule_of
from tgl.wiki.tokens import Tokens

_LINE_TAGS = frozenset("br li dd dt p div hr blockquote tr caption".split())
_MAGIC_WORD = re.compile(r"__[A-Z]+__")
_LEFTOVER_QUOTES = re.compile(r"'{2,}")
# Every wiki knows these beside the names of its own.
_DROPPED_LINKS = ("File", "Image", "Category", "Media")
_OTHER_PROJECT = re.compile(
    r"\s*:?\s*(wikt|wiktionary|s|wikisource|q|wikiquote|b|wikibooks|n|wikinews|species|commons|c|d|wikidata|m|meta)\s*:",
    re.IGNORECASE,
)
_INTERLANGUAGE = re.compile(r"\s*[a-z]{2,3}(-[a-z]+)?\s*:")


@dataclass(frozen=True)
class Keep:
    """What of an article is kept beside its running text, and what goes.

    dropped_sections: titles, case-folded, of sections that go with all below them. dropped_links: what the wiki calls
    the namespaces of files and categories, links to which go, beside the English names.
    """

    tables: bool = False
    infoboxes: bool = False
    dropped_sections: Collection[str] = ()
    dropped_links: Collection[str] = ()


def clean(wikitext: str, keep: Keep = Keep()) -> Article:
    """Return the article's text: what a reader reads, without references, files, categories and navigation.

    Templates of dates, units, names and numbers keep their values (tgl.wiki.templates); other templates go. Offsets
    are characters of the returned text. Raises ValueError for markup that the tokenizer cannot make tokens of.
    """
    out = CleanText()
    walker = _Walker(Tokens(without_dropped(wikitext, keep)), out, keep)
    walker.walk(0, len(walker.source.tokens))
    return out.article()


def without_dropped(wikitext: str, keep: Keep) -> str:
    """Return wikitext without what the walk would drop, as far as that is told without tokens."""
    wikitext = cut_tags(_MAGIC_WORD.sub("", wikitext))
    wikitext = cut_templates(
        wikitext, lambda name: rule_of(name) is not None or (keep.infoboxes and is_infobox(name))
    )
    return wikitext if keep.tables else cut_tables(wikitext)


@lru_cache(maxsize=16)
def _dropped_link(names: tuple[str, ...]) -> re.Pattern:
    """Return what the target of a dropped link begins with; blanks in a name may be underscores."""
    pieces = [
        r"[\s_]+".join(map(re.escape, name.replace("_", " ").split())) for name in (*_DROPPED_LINKS, *names)
    ]
    return re.compile(rf"\s*(?:{'|'.join(filter(None, pieces))})\s*:", re.IGNORECASE)


class _Walker:
    """Walks over tokens and adds what is read to `out`."""

    def __init__(self, source: Tokens, out: CleanText, keep: Keep) -> None:
        self.source, self.out, self.keep = source, out, keep
        self.dropped_link = _dropped_link(tuple(keep.dropped_links))

    def walk(self, start: int, end: int) -> None:
        """Add the text of tokens [start, end)."""
        tokens, types = self.source.tokens, self.source.kinds
        number = start
        while number < end:
            kind = types[number]
            if kind is kinds.Text:
                text = tokens[number]["text"]
                self.out.add(_LEFTOVER_QUOTES.sub("", text) if "''" in text else text)
            elif handle := _HANDLERS.get(kind):
                close = self.source.ends[number]
                number = handle(self, number, close) or close
            number += 1

    def text(self, start: int, end: int) -> str:
        """Return the text of tokens [start, end) by itself."""
        if end == start + 1 and self.source.kinds[start] is kinds.Text:
            return " ".join(_LEFTOVER_QUOTES.sub("", self.source.tokens[start]["text"]).split())
        outer, self.out = self.out, CleanText()
        self.walk(start, end)
        inner, self.out = self.out, outer
        return inner.text()

    def template(self, number: int, close: int) -> None:
        separators = self.source.parts[number]
        name = self.source.plain(number + 1, separators[0] if separators else close)
        template = Template(self, name, number, close)
        if rule := rule_of(template.name):
            rule(template)
        elif self.keep.infoboxes and is_infobox(template.name):
            self._infobox(template)

    def _infobox(self, template: Template) -> None:
        for key in template.parameters:
            value = template.text(key)
            if value and not key.isdecimal():
                self.out.add("\n" + key.replace("_", " ") + ": ")
                template.walk(key)
        self.out.add("\n")

    def wikilink(self, number: int, close: int) -> None:
        separators = self.source.parts[number]
        title = self.text(number + 1, separators[0] if separators else close)
        prefixed = ":" in title
        if prefixed and (self.dropped_link.match(title) or _INTERLANGUAGE.match(title)):
            return
        target = title.lstrip(":").split("#")[0].replace("_", " ").strip()
        first_piece = len(self.out.pieces)
        if separators:
            self.walk(separators[0] + 1, close)
        else:
            self.out.add(title.lstrip(":"))
        # Without a target it is a link to a section of the same page.
        if target and not (prefixed and _OTHER_PROJECT.match(title)):
            self.out.add_link(target[0].upper() + target[1:], first_piece)

    def external_link(self, number: int, close: int) -> None:
        if separators := self.source.parts[number]:
            self.walk(separators[0] + 1, close)

    def entity(self, number: int, close: int) -> None:
        types = self.source.kinds[number:close]
        prefix = "#" * (kinds.HTMLEntityNumeric in types) + "x" * (kinds.HTMLEntityHex in types)
        self.out.add(html.unescape(f"&{prefix}{self.source.plain(number, close)};"))

    def heading(self, number: int, close: int) -> int | None:
        """Begin a section; return the last token of one that is dropped, with all below it."""
        title, level = self.text(number + 1, close), self.source.tokens[number]["level"]
        if title.casefold() not in self.keep.dropped_sections:
            self.out.add_section(title, level)
            return None
        number = close + 1
        while number < len(self.source.tokens):
            if (
                self.source.kinds[number] is kinds.HeadingStart
                and self.source.tokens[number]["level"] <= level
            ):
                break
            number = self.source.ends.get(number, number) + 1
        return number - 1

    def tag(self, number: int, close: int) -> None:
        name = self.source.plain(number + 1, number + 2).strip().lower()
        if name in DROPPED_TAGS or (name == "table" and not self.keep.tables):
            return
        if name in _LINE_TAGS:
            self.out.add("\n")
        elif name in ("td", "th") and not self.out.at_line_start:
            self.out.add(" | ")
        parts = self.source.parts[number]
        if self.source.kinds[close] is kinds.TagCloseClose and len(parts) == 2:
            self.walk(parts[0] + 1, parts[1])
            if name in ("p", "div", "blockquote", "table", "caption"):
                self.out.add("\n")


_HANDLERS = {
    kinds.TemplateOpen: _Walker.template,
    kinds.WikilinkOpen: _Walker.wikilink,
    kinds.ExternalLinkOpen: _Walker.external_link,
    kinds.HTMLEntityStart: _Walker.entity,
    kinds.HeadingStart: _Walker.heading,
    kinds.TagOpenOpen: _Walker.tag,
    # Comments go, and arguments ({{{1}}}), which stand in template pages only.
    kinds.CommentStart: lambda walker, number, close: None,
    kinds.ArgumentOpen: lambda walker, number, close: None,
}
