"""Wikitext to clean text with sections and the links' offsets."""

from __future__ import annotations

import html
import re
from html.entities import html5

from mwparserfromhell.parser import tokens as kinds

from tgl.snapshots.extract.blocks import PIECE, blocks
from tgl.snapshots.extract.clean_text import ANCHOR_END, ANCHOR_START, CUT, Article, CleanText, Keep
from tgl.snapshots.extract.cuts import DROPPED_TAGS, NOTHING, cut_links, cut_tables, cut_tags, cut_templates
from tgl.snapshots.extract.markup import Tokens
from tgl.snapshots.extract.quotes import STYLE, mark_quotes
from tgl.snapshots.extract.template_call import Template
from tgl.snapshots.extract.template_numbers import add_script
from tgl.snapshots.extract.template_rules import is_infobox, rules_of
from tgl.snapshots.extract.variants import resolve_variants
from tgl.snapshots.extract.wiki_names import LANGUAGE_CODES, dropped_link, wiki_names

_LINE_TAGS = frozenset("br li dd dt p div hr blockquote tr caption".split())
# Tags without their partner, which the tokenizer leaves in the text; those of blocks begin a line.
_STRAY_TAG = re.compile(
    r"</?(p|div|li|ul|ol|dl|dd|dt|br|hr|blockquote|center|table|tr|caption|td|th|tbody|thead|span|small|big|b|i|u|s|em|strong|"
    r"sub|sup|font|del|ins|code|tt|abbr|cite|q|ref|section|nowiki|noinclude|onlyinclude|includeonly|poem|gallery|references|"
    r"bdi|bdo|kbd|var|samp|mark|ruby|rt|rp|rb|wbr)(?:[\s/][^<>]*)?>",
    re.IGNORECASE,
)
_BLOCK_TAGS = frozenset("p div li ul ol dl dd dt br hr blockquote center table tr caption".split())
_CAPTION = re.compile(r"^([ \t]*)\|\+[ \t]*(?:[^|\[\]{}\n]*\|(?!\|))?[ \t]*", re.MULTILINE)
_ENTITY = re.compile(r"&(#[0-9]{1,8}|#[xX][0-9a-fA-F]{1,8}|[a-zA-Z0-9]{1,32});")
_LIST_MARKS = re.compile(r"^[*#:]+[ \t]*", re.MULTILINE)
_OTHER_PROJECT = re.compile(
    r"\s*:?\s*(wikt|wiktionary|s|wikisource|q|wikiquote|b|wikibooks|n|wikinews|species|commons|c|d|wikidata|m|meta)\s*:",
    re.IGNORECASE,
)
_KEEP = Keep()


def clean(wikitext: str, keep: Keep = _KEEP, title: str = "") -> Article:
    """Return the article's text: what a reader reads, without references, files, categories and navigation.

    `title` is the name of the page, for {{PAGENAME}}.

    Templates of dates, units, names and numbers keep their values (`template_rules`); other templates go. Offsets
    are characters of the returned text. Raises ValueError for markup that the tokenizer cannot make tokens of.
    """
    out = CleanText()
    walker = _Walker(out, keep, title)
    for block in blocks(without_dropped(wikitext, keep)):
        if block.kind == "heading":
            walker.begin_section(" ".join(_read(block.text).split()), block.level)
        elif block.kind == "plain":
            walker.plain(block.text)
        else:
            walker.markup(block.text)
    return out.article()


def without_dropped(wikitext: str, keep: Keep) -> str:
    """Return wikitext without what the walk would drop, as far as that can be decided without tokens."""
    names, rule_of = wiki_names(keep.language), rules_of(keep.language)

    def is_kept(name: str) -> bool:
        if rule_of(name) is not None or name.upper() in names.page_names:
            return True
        return keep.infoboxes and is_infobox(name)

    # Other control characters than white space are in no XML. The marks of this module must not come from a page.
    for mark in _MARKS:
        wikitext = wikitext.replace(mark, "")
    wikitext = cut_tags(names.switches.sub("", wikitext) if "__" in wikitext else wikitext)
    wikitext = mark_quotes(resolve_variants(wikitext, keep.language))
    wikitext = cut_templates(wikitext, is_kept)
    wikitext = _CAPTION.sub(r"\1|-\n\1| ", wikitext) if keep.tables else cut_tables(wikitext)
    return cut_links(wikitext, dropped_link((*names.dropped_links, *keep.dropped_links)))


_MARKS = (ANCHOR_START, ANCHOR_END, STYLE, CUT)


class _Walker:
    """Walks over blocks, and over the tokens of those that need them, and adds what is read to `out`."""

    source: Tokens

    def __init__(self, out: CleanText, keep: Keep, title: str) -> None:
        self.out, self.keep, self.title = out, keep, title
        self.names, self.rule_of = wiki_names(keep.language), rules_of(keep.language)
        self.dropped_link = dropped_link((*self.names.dropped_links, *keep.dropped_links))
        self.is_literal = False  # inside <nowiki> or <pre>
        self.dropping: int | None = None  # the level of the section that is being left out

    def plain(self, block: str) -> None:
        """Add lines of text, links and italics."""
        if self.dropping is not None:
            return
        targets: list[str] = []

        def read(match: re.Match) -> str:
            title, anchor, words, line_break = match.groups()
            if title is None:
                return "\n" if line_break else words or ""
            title = " ".join((_ENTITY.sub(_unescaped, title) if "&" in title else title).split())
            if (target := self.target(title)) is None:
                return CUT
            anchor = title.lstrip(":") if anchor is None else anchor
            if not target:
                return anchor
            targets.append(target)
            return ANCHOR_START + anchor + ANCHOR_END

        text = PIECE.sub(read, _LIST_MARKS.sub("", block).replace(STYLE, "").replace(NOTHING, CUT))
        self.out.add_linked(_ENTITY.sub(_unescaped, text) if "&" in text else text, targets)

    def markup(self, block: str) -> None:
        """Add any wikitext, by its tokens."""
        if self.dropping is None or block.startswith("=") or "\n=" in block:
            self.source = Tokens(block)
            self.walk(0, len(self.source.tokens))

    def walk(self, start: int, end: int) -> None:
        """Add the text of tokens [start, end)."""
        tokens, types = self.source.tokens, self.source.kinds
        number = start
        while number < end:
            kind = types[number]
            if kind is kinds.Text:
                if self.dropping is None:
                    self.out.add(self.read(tokens[number]["text"]))
            elif handle := _HANDLERS.get(kind):
                close = self.source.ends[number]
                if self.dropping is None or kind is kinds.HeadingStart:
                    handle(self, number, close)
                number = close
            number += 1

    def text(self, start: int, end: int) -> str:
        """Return the text of tokens [start, end) by itself."""
        if end == start + 1 and self.source.kinds[start] is kinds.Text:
            return " ".join(self.read(self.source.tokens[start]["text"]).split())
        outer, self.out = self.out, CleanText()
        self.walk(start, end)
        inner, self.out = self.out, outer
        return inner.text()

    def read(self, text: str) -> str:
        """Return a text of the tokenizer without quotes and tags that have no partner, with entities as characters."""
        text = _read(text)
        return text if self.is_literal or "<" not in text else _STRAY_TAG.sub(_without_tag, text)

    def template(self, number: int, close: int) -> None:
        separators = self.source.parts[number]
        name = self.source.plain(number + 1, separators[0] if separators else close)
        template = Template(self, name, number, end=close)
        before = self.out.length
        if rule := self.rule_of(template.name):
            rule(template)
        elif template.name.upper() in self.names.page_names:
            self.out.add(self.title)
        elif self.keep.infoboxes and is_infobox(template.name):
            self._infobox(template)
        if self.out.length == before:
            self.out.add_cut()

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
        if (target := self.target(title)) is not None:
            first_piece = len(self.out.pieces)
            if separators:
                self.walk(separators[0] + 1, close)
            else:
                self.out.add(title.lstrip(":"))
            self.out.add_link(target, first_piece)
        else:
            self.out.add_cut()

    def target(self, title: str) -> str | None:
        """Return the page that a link of this title goes to; "" for none of this wiki, None for a link that goes."""
        if ":" in title:
            if self.dropped_link.match(title) or title.partition(":")[0].strip().lower() in LANGUAGE_CODES:
                return None
            if _OTHER_PROJECT.match(title):
                return ""
            title = title.lstrip(":")
        # Without a target it is a link to a section of the same page.
        target = title.partition("#")[0].replace("_", " ").strip()
        return target[:1].upper() + target[1:]

    def external_link(self, number: int, close: int) -> None:
        if separators := self.source.parts[number]:
            self.walk(separators[0] + 1, close)
        elif not self.source.tokens[
            number
        ].brackets:  # a bare address is text; one in brackets is shown as [1]
            self.walk(number + 1, close)

    def entity(self, number: int, close: int) -> None:
        types = self.source.kinds[number:close]
        prefix = "#" * (kinds.HTMLEntityNumeric in types) + "x" * (kinds.HTMLEntityHex in types)
        self.out.add(html.unescape(f"&{prefix}{self.source.plain(number, close)};"))

    def heading(self, number: int, close: int) -> None:
        dropping, self.dropping = self.dropping, None
        title = self.text(number + 1, close)
        self.dropping = dropping
        self.begin_section(title, self.source.tokens[number]["level"])

    def begin_section(self, title: str, level: int) -> None:
        """Begin a section, unless it is one to drop or lies below such a one."""
        if self.dropping is not None and level > self.dropping:
            return
        self.dropping = level if title.casefold() in self.keep.dropped_sections else None
        if self.dropping is None:
            self.out.add_section(title, level)

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
            if name in ("sup", "sub"):
                add_script(self.out, self.text(parts[0] + 1, parts[1]), name)
                return
            literal, self.is_literal = self.is_literal, self.is_literal or name in ("nowiki", "pre")
            self.walk(parts[0] + 1, parts[1])
            self.is_literal = literal
            if name in ("p", "div", "blockquote", "table", "caption"):
                self.out.add("\n")


def _read(text: str) -> str:
    text = text.replace(STYLE, "")
    return _ENTITY.sub(_unescaped, text) if "&" in text else text


def _without_tag(match: re.Match) -> str:
    return "\n" if match[1].lower() in _BLOCK_TAGS else ""


def _unescaped(match: re.Match) -> str:
    """Return the character that an entity of HTML 5 names, and what is no entity as it stands."""
    name = match[1]
    if name[0] != "#":
        return html.unescape(match[0]) if f"{name};" in html5 else match[0]
    number = int(name[2:], 16) if name[1] in "xX" else int(name[1:])
    return html.unescape(match[0]) if 1 <= number <= 0x10FFFF else match[0]


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
