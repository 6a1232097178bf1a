"""Clean text by a few substitutions, for pages whose parsing exceeds a limit. Takes time linear in the page."""

from __future__ import annotations

import html
import re

from tgl.snapshots.extract.clean_text import Article, CleanText
from tgl.snapshots.extract.cuts import cut_tables, cut_tags, cut_templates

_SUBSTITUTIONS = (
    (re.compile(r"\[\[(?:[^\[\]|]*\|)?([^\[\]|]*)\]\]"), r"\1"),
    (re.compile(r"\[https?://[^\s\[\]]+\s+([^\[\]]*)\]"), r"\1"),
    (re.compile(r"\[https?://[^\s\[\]]+\]"), ""),
    (re.compile(r"</?[a-zA-Z][^<>]{0,500}>"), " "),
    (re.compile(r"^=+(.*?)=+[ \t]*$", re.MULTILINE), r"\n"),
    (re.compile(r"^[:*#;]+", re.MULTILINE), ""),
    (re.compile(r"'{2,}|__[A-Z]+__|[{}\[\]|]+"), " "),
)


def clean_simply(wikitext: str) -> Article:
    """Return the text without links and sections; every template goes, and what is left of unclosed markup stays."""
    text = cut_tables(cut_templates(cut_tags(wikitext), lambda name: False)).replace("{{-}}", " ")
    for pattern, replacement in _SUBSTITUTIONS:
        text = pattern.sub(replacement, text)
    out = CleanText()
    out.add(html.unescape(text))
    return out.article()
