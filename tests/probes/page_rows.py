"""Rows of `pages` and `diff` as the stages write them, from text with [[target|anchor]] links."""

import re

from tgl.text.diff.sentences import new_sentences, split_sentences


def page(page_id, title, wikitext, revision=1):
    """Return a row of `pages`: links are written as [[target]] or [[target|anchor]]."""
    text, links = "", []
    for piece in re.split(r"(\[\[.*?\]\])", wikitext):
        start = len(text)
        if piece.startswith("[["):
            target, _, anchor = piece[2:-2].partition("|")
            text += anchor or target
            links.append({"target": target, "start": start, "end": len(text)})
        else:
            text += piece
    return {
        "page_id": page_id,
        "title": title,
        "revision_id": revision,
        "timestamp": "",
        "sha1": "",
        "text": text,
        "links": links,
        "sections": [],
        "given_up": "",
    }


def diff_rows(before, after):
    """Return the rows of `diff` of one page; `before` None for a new one."""
    sentences = (
        split_sentences(after["text"], "en")
        if before is None
        else new_sentences(before["text"], after["text"], "en")
    )
    return [
        {
            "page_id": after["page_id"],
            "title": after["title"],
            "revision_id": after["revision_id"],
            "kind": "new_page" if before is None else "changed",
            "start": start,
            "section": "",
            "text": sentence,
        }
        for start, sentence in sentences
    ]
