"""Clean text by a few substitutions, for pages whose parsing exceeds a limit. Takes time linear in the page."""

from __future__ import annotations

import html
import re

from tgl.snapshots.extract.clean_text import Article, CleanText, Keep
from tgl.snapshots.extract.cuts import NOTHING, cut_links, cut_tables, cut_tags, cut_templates
from tgl.snapshots.extract.quotes import STYLE, mark_quotes
from tgl.snapshots.extract.variants import resolve_variants
from tgl.snapshots.extract.wiki_names import dropped_link, wiki_names

_SUBSTITUTIONS = (
    (re.compile(r"\[\[(?:[^\[\]|]*\|)?([^\[\]|]*)\]\]"), r"\1"),
    (re.compile(r"\[https?://[^\s\[\]]+\s+([^\[\]]*)\]"), r"\1"),
    (re.compile(r"\[https?://[^\s\[\]]+\]"), ""),
    (re.compile(r"</?[a-zA-Z][^<>]{0,500}>"), " "),
    (re.compile(r"^=+(.*?)=+[ \t]*$", re.MULTILINE), r"\n"),
    (re.compile(r"^[:*#;]+", re.MULTILINE), ""),
    (re.compile(r"'{2,}|[{}\[\]|]+"), " "),
)


def clean_simply(wikitext: str, keep: Keep | None = None) -> Article:
    """Return the text without links and sections; every template goes, and what is left of unclosed markup stays."""
    keep = keep or Keep()
    names = wiki_names(keep.language)
    text = cut_tags(names.switches.sub("", wikitext))
    text = mark_quotes(resolve_variants(text, keep.language)).replace(STYLE, "")
    text = cut_tables(cut_templates(text, lambda name: False))
    text = cut_links(text, dropped_link((*names.dropped_links, *keep.dropped_links))).replace(NOTHING, " ")
    for pattern, replacement in _SUBSTITUTIONS:
        text = pattern.sub(replacement, text)
    out = CleanText()
    out.add(html.unescape(text))
    return out.article()
