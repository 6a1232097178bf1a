"""The head of a dump: which wiki it is of, in which language, and what its namespaces are called."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from lxml import etree

from tgl.wiki.streams import PIECE, xml_pieces

MEDIA, FILE, CATEGORY = -2, 6, 14
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"


@dataclass(frozen=True)
class Siteinfo:
    """What stands in <siteinfo>, "" for what does not; `namespaces`: number by name, as the wiki calls them."""

    sitename: str = ""
    dbname: str = ""
    base: str = ""
    language: str = ""
    namespaces: Mapping[str, int] = field(default_factory=dict)

    @property
    def wiki(self) -> dict[str, str]:
        """Which wiki it is, without its namespaces."""
        return {name: getattr(self, name) for name in ("sitename", "dbname", "base", "language")}

    @property
    def dropped_links(self) -> list[str]:
        """The names under which links show a file or put the page into a category, as this wiki calls them."""
        return sorted(name for name, number in self.namespaces.items() if number in (MEDIA, FILE, CATEGORY))


def new_parser() -> etree.XMLPullParser:
    """Return a parser of dumps, which resolves no entity and reads nothing beside what it is fed."""
    return etree.XMLPullParser(
        events=("start", "end"),
        resolve_entities=False,
        no_network=True,
        huge_tree=False,
        load_dtd=False,
        remove_comments=True,
        remove_pis=True,
    )


def local_name(element: etree._Element) -> str:
    """Return the name without its namespace; etree.QName would refuse some names that occur in broken files."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def siteinfo_of(root: etree._Element, element: etree._Element) -> Siteinfo:
    """Return what the element <siteinfo> of a dump's root says; namespaces without a whole number are passed over."""
    texts = {local_name(child): (child.text or "").strip() for child in element}
    namespaces = {}
    for child in element.iterfind("{*}namespaces/{*}namespace"):
        key = child.get("key", "")
        if child.text and re.fullmatch(r"-?\d{1,9}", key):
            namespaces[child.text.strip()] = int(key)
    names = {name: texts.get(name, "") for name in ("sitename", "dbname", "base")}
    return Siteinfo(**names, language=root.get(_LANGUAGE, ""), namespaces=namespaces)


def read_siteinfo(path: str | Path) -> Siteinfo:
    """Return the head of a dump file, an empty one where none stands within its first MiB.

    Raises TglError as `xml_pieces`.
    """
    path = Path(path)
    stat = path.stat() if path.is_file() else None
    return _read(path, stat and (stat.st_ino, stat.st_size, stat.st_mtime_ns))


@lru_cache(maxsize=4)
def _read(path: Path, version: tuple[int, int, int] | None) -> Siteinfo:
    """Return the head of a version of a file; readers of old exports ask for it once a page."""
    parser, root, left = new_parser(), None, PIECE
    # What is wrong with the XML the reader says when it comes there.
    with contextlib.closing(xml_pieces(path)) as pieces, contextlib.suppress(etree.XMLSyntaxError):
        while left > 0 and (piece := next(pieces, b"")):
            left -= len(piece)
            parser.feed(piece)
            for event, element in parser.read_events():
                root = element if root is None else root
                if event == "end" and local_name(element) == "siteinfo" and element.getparent() is root:
                    return siteinfo_of(root, element)
    return Siteinfo()
