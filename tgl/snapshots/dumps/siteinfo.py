"""Read the head of a dump: the wiki, its language, and the names of its namespaces."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from lxml import etree

from tgl.snapshots.dumps.streams import PIECE, xml_pieces

MEDIA, FILE, CATEGORY = -2, 6, 14
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"


@dataclass(frozen=True)
class Siteinfo:
    """The content of <siteinfo>; missing texts are "".

    Attributes:
        sitename: The name of the wiki.
        dbname: The name of its database.
        base: The URL of its main page.
        language: The language code.
        namespaces: The numbers of the namespaces, by their names in the wiki.
    """

    sitename: str = ""
    dbname: str = ""
    base: str = ""
    language: str = ""
    namespaces: Mapping[str, int] = field(default_factory=dict)

    @property
    def wiki(self) -> dict[str, str]:
        """The description of the wiki without its namespaces."""
        return {name: getattr(self, name) for name in ("sitename", "dbname", "base", "language")}

    @property
    def main_language(self) -> str:
        """The language without a variant: zh for zh-hant. English if the dump names none."""
        return self.language.partition("-")[0].lower() or "en"

    @property
    def dropped_links(self) -> list[str]:
        """The sorted namespace names, in this wiki, of links that show a file or assign a category."""
        return sorted(name for name, number in self.namespaces.items() if number in (MEDIA, FILE, CATEGORY))


def new_parser() -> etree.XMLPullParser:
    """Return an XML parser for dumps that resolves no entities and reads no other files."""
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
    """Return the name without its namespace; etree.QName rejects some names that occur in broken files."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def siteinfo_of(root: etree._Element, element: etree._Element) -> Siteinfo:
    """Return the content of the element <siteinfo>; namespaces without an integer key are skipped."""
    texts = {local_name(child): (child.text or "").strip() for child in element}
    namespaces = {}
    for child in element.iterfind("{*}namespaces/{*}namespace"):
        key = child.get("key", "")
        if child.text and re.fullmatch(r"-?\d{1,9}", key):
            namespaces[child.text.strip()] = int(key)
    names = {name: texts.get(name, "") for name in ("sitename", "dbname", "base")}
    return Siteinfo(**names, language=root.get(_LANGUAGE, ""), namespaces=namespaces)


def read_siteinfo(path: str | Path) -> Siteinfo:
    """Return the head of a dump file, or an empty one if the first MiB has none.

    Raises:
        TglError: As in `xml_pieces`.
    """
    path = Path(path)
    stat = path.stat() if path.is_file() else None
    return _read(path, stat and (stat.st_ino, stat.st_size, stat.st_mtime_ns))


@lru_cache(maxsize=4)
def _read(path: Path, version: tuple[int, int, int] | None) -> Siteinfo:
    """Return the head of a version of a file, cached because readers of old exports need it for each page."""
    parser, root, left = new_parser(), None, PIECE
    # The reader reports errors in the XML when it gets there.
    with contextlib.closing(xml_pieces(path)) as pieces, contextlib.suppress(etree.XMLSyntaxError):
        while left > 0 and (piece := next(pieces, b"")):
            left -= len(piece)
            parser.feed(piece)
            for event, element in parser.read_events():
                root = element if root is None else root
                if event == "end" and local_name(element) == "siteinfo" and element.getparent() is root:
                    return siteinfo_of(root, element)
    return Siteinfo()
