"""Streaming reader of MediaWiki XML dumps: one page at a time, memory constant in the size of the dump."""

from __future__ import annotations

import bz2
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from lxml import etree

from tgl.errors import TglError

_PIECE = 1 << 20


@dataclass(frozen=True)
class RawPage:
    """A page and its only or last revision, as the dump has them. `text` is None when it is missing or deleted."""

    page_id: int
    title: str
    namespace: int
    is_redirect: bool
    revision_id: int
    timestamp: str
    model: str
    sha1: str
    text: str | None


def read_pages(path: str | Path) -> Iterator[RawPage]:
    """Yield the pages of a dump file: .xml or .xml.bz2, of one stream or many, schema 0.9 to 0.11.

    What stands after </mediawiki> is ignored. Raises TglError when the file is not such a dump, or ends
    before </mediawiki>: pages would be missing without anyone noticing.
    """
    path = Path(path)
    parser = etree.XMLPullParser(
        events=("start", "end"), resolve_entities=False, no_network=True, huge_tree=True, load_dtd=False
    )
    root = None
    ended = False
    try:
        with _open(path) as stream:
            while piece := stream.read(_PIECE):
                try:
                    parser.feed(piece)
                    failure = None
                except etree.XMLSyntaxError as error:
                    failure = error
                for event, element in parser.read_events():
                    name = etree.QName(element).localname
                    if event == "start":
                        if root is None:
                            root = element
                            if name != "mediawiki":
                                raise TglError(
                                    f"{path}: root element <{name}> found, <mediawiki> expected; not a dump"
                                )
                    elif name == "page":
                        yield _page(path, element)
                        element.clear()
                        root.clear()  # the siblings read before
                    elif name == "mediawiki":
                        ended = True
                if ended:
                    return
                if failure is not None:
                    raise TglError(f"{path}: not well-formed XML ({failure}); download the file again")
    except (EOFError, OSError) as error:
        raise TglError(f"{path}: cannot be decompressed ({error}); the file is damaged or cut off") from None
    raise TglError(f"{path}: ends before </mediawiki>; the file is cut off, download it again")


def _open(path: Path) -> BinaryIO:
    if not path.is_file():
        raise TglError(f"{path}: no such dump file")
    if path.suffix == ".bz2":
        return bz2.open(path, "rb")  # reads all streams of a multistream file, one after the other
    if path.suffix == ".xml":
        return open(path, "rb")
    raise TglError(f"{path}: .xml or .xml.bz2 expected")


def _page(path: Path, element: etree._Element) -> RawPage:
    fields = {etree.QName(child).localname: child for child in element if isinstance(child.tag, str)}
    title = fields["title"].text or "" if "title" in fields else ""
    revisions = element.findall("{*}revision")
    if "id" not in fields or not revisions:
        raise TglError(f"{path}: page '{title}' has no id or no revision")
    revision = {etree.QName(child).localname: child for child in revisions[-1] if isinstance(child.tag, str)}
    # Schema 0.11 may put the main slot's model and text into <content>; older ones know no slots.
    text = revision.get("text")
    deleted = text is None or text.get("deleted") is not None
    try:
        page_id = int(_text(fields, "id"))
        revision_id = int(_text(revision, "id")) if "id" in revision else 0
        namespace = int(_text(fields, "ns")) if "ns" in fields else _namespace_of(title)
    except ValueError as error:
        raise TglError(f"{path}: page '{title}': {error}") from None
    return RawPage(
        page_id=page_id,
        title=title,
        namespace=namespace,
        is_redirect="redirect" in fields,
        revision_id=revision_id,
        timestamp=_text(revision, "timestamp"),
        model=_text(revision, "model") or "wikitext",
        sha1=_text(revision, "sha1"),
        text=None if deleted else text.text or "",
    )


def _text(fields: dict, name: str) -> str:
    return (fields[name].text or "") if name in fields else ""


def _namespace_of(title: str) -> int:
    # Old exports lack <ns>. A colon in an article's title is rare; talk, user and template pages have one.
    prefix = title.split(":", 1)[0] if ":" in title else ""
    known = {"Talk": 1, "User": 2, "User talk": 3, "File": 6, "MediaWiki": 8, "Template": 10, "Category": 14}
    return known.get(prefix, 0)
