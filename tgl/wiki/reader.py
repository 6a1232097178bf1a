"""Streaming reader of MediaWiki XML dumps: one page at a time, memory constant in the size of the dump."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby, takewhile
from operator import itemgetter
from pathlib import Path

from lxml import etree

from tgl.errors import TglError
from tgl.wiki.missing_text import DOWNLOAD, TextCount, is_missing
from tgl.wiki.siteinfo import local_name as _name
from tgl.wiki.siteinfo import new_parser, read_siteinfo
from tgl.wiki.streams import xml_pieces
from tgl.wiki.xml_faults import Fault, beginning_fault, find_fault, is_too_large, reported_fault

# Bytes without the end of a page or revision: MediaWiki's largest pages have 2 MiB. lxml itself refuses a text of more
# than 10 million characters, elements nested deeper than 256, and entities that grow.
_MOST_UNFINISHED = 32 << 20
_FIELDS = ("title", "ns", "id", "redirect")
# For a dump whose head names no namespaces.
_ENGLISH = {"Talk": 1, "User": 2, "User talk": 3, "File": 6, "MediaWiki": 8, "Template": 10, "Category": 14}


@dataclass(frozen=True)
class RawPage:
    """A page and one of its revisions, as the dump has them.

    `text` is None where it was deleted, and where it is `missing`: it failed to load when the dump was written.
    """

    page_id: int
    title: str
    namespace: int
    is_redirect: bool
    revision_id: int
    timestamp: str
    model: str
    sha1: str
    text: str | None
    missing: bool = False


def read_pages(
    path: str | Path, first: int = 0, last: int | None = None, *, has_earlier: bool = False
) -> Iterator[RawPage]:
    """Yield the pages with ids `first` to `last` of a dump file: .xml, .bz2 or .7z, schema 0.9 to 0.11.

    Of several revisions the last one in the file counts. What stands after </mediawiki> is ignored. Raises TglError
    when the file is not such a dump, or ends before </mediawiki>: pages would be missing without anyone noticing; and
    for a stub dump, which has no texts; `has_earlier` as in `TextCount`.
    """
    path = Path(path)
    texts = TextCount(path, has_earlier)
    for element in _elements(path, first, last):
        if _name(element) == "page":
            revisions = element.findall("{*}revision")
            page = _page(path, element, revisions[-1] if revisions else None)
            texts.add(page.text, page.missing)
            if first <= page.page_id and (last is None or page.page_id <= last):
                yield page
    texts.finish()


def read_histories(path: str | Path) -> Iterator[Iterator[RawPage]]:
    """Yield for each page of a dump file all its revisions in the order of the file, to be used up before the next.

    Memory holds a few revisions, however many a page has. Raises TglError as `read_pages`, and for a page whose id
    comes after its revisions.
    """
    with closing(_numbered_revisions(Path(path))) as found:
        for _, revisions in groupby(found, key=itemgetter(0)):
            yield (page for _, page in revisions)


def _numbered_revisions(path: Path) -> Iterator[tuple[int, RawPage]]:
    """Yield (page's place in the file, the page with a revision) for each revision."""
    texts = TextCount(path)
    number, revisions = 0, 0
    for element in _elements(path):
        if _name(element) == "revision":
            revisions += 1
            # How far past this revision the parser is depends on chance: what stands there does not count.
            before = takewhile(lambda child, end=element: child is not end, element.getparent())
            page = _page(path, before, element)
            texts.add(page.text, page.missing)
            yield number, page
        elif revisions == 0:
            _page(path, element, None)
        else:
            number, revisions = number + 1, 0
    texts.finish()


def _elements(path: Path, first: int = 0, last: int | None = None) -> Iterator[etree._Element]:
    """Yield the elements <revision> of each page as they end, and <page> after them with the last revision left."""
    parser = new_parser()
    root = None
    depth = unfinished = read = 0
    with closing(xml_pieces(path, first, last)) as pieces:
        for piece in pieces:
            try:
                parser.feed(piece)
                failure = None
            except etree.XMLSyntaxError as error:
                failure = error
            unfinished += len(piece)
            read += len(piece)
            for event, element in parser.read_events():
                if event == "start":
                    depth += 1
                    if root is None:
                        root = element
                        _check_root(path, root)
                    continue
                depth -= 1
                if depth == 0:
                    if path.suffix == ".7z":  # whose checksum is known at its end
                        deque(pieces, maxlen=0)
                    return
                if depth == 1:
                    if _name(element) == "logitem":
                        raise TglError(f"{path}: a log of actions (<logitem>), expected pages. {DOWNLOAD}")
                    if _name(element) == "page":
                        yield element
                        unfinished = 0
                    element.clear()
                    root.clear()  # the siblings read before
                elif depth == 2 and _name(element) == "revision":
                    _forget_earlier(element)
                    unfinished = 0
                    if _name(element.getparent()) == "page":
                        yield element
            if failure is not None and root is None:
                raise TglError(beginning_fault(failure, piece).message(path))
            if failure is not None:
                fault = _fault(path, first, last, read, failure)
                raise TglError((fault or reported_fault(failure)).message(path))
            if unfinished > _MOST_UNFINISHED:
                if fault := _fault(path, first, last, read):
                    raise TglError(fault.message(path))
                raise TglError(
                    f"{path}: {unfinished} bytes without the end of a page or revision found, at most "
                    f"{_MOST_UNFINISHED} expected; not a dump"
                )
    if root is not None and (fault := _fault(path, first, last, read)):
        raise TglError(fault.message(path))
    raise TglError(f"{path}: ends before </mediawiki>; the file is cut off, download it again")


def _fault(
    path: Path, first: int, last: int | None, size: int, reported: etree.XMLSyntaxError | None = None
) -> Fault | None:
    """Read the same part again, as far as it was read, and return what is wrong with its XML, None for nothing."""
    if reported is not None and is_too_large(reported):
        return None
    with closing(xml_pieces(path, first, last)) as pieces:
        fault = find_fault(_so_many(pieces, size))
    # Of a part the lines are not those of the file.
    return fault and fault._replace(line=fault.line if (first, last) == (0, None) else 0)


def _so_many(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    while size > 0 and (piece := next(pieces, b"")):
        size -= len(piece)
        yield piece


def _check_root(path: Path, root: etree._Element) -> None:
    if _name(root) != "mediawiki":
        raise TglError(f"{path}: root element <{_name(root)}> found, <mediawiki> expected; not a dump")
    if root.getroottree().docinfo.internalDTD is not None:
        raise TglError(f"{path}: a DOCTYPE found, which no dump has; entities are not resolved")


def _forget_earlier(revision: etree._Element) -> None:
    """Drop the revisions before this one, so that a page's history is not held in memory."""
    for child in list(revision.itersiblings(preceding=True)):
        if _name(child) not in _FIELDS:
            child.getparent().remove(child)


def _page(path: Path, children: Iterable[etree._Element], of_revision: etree._Element | None) -> RawPage:
    fields = {_name(child): child for child in children}
    title = fields["title"].text or "" if "title" in fields else ""
    if "id" not in fields or of_revision is None:
        raise TglError(f"{path}: page '{title}' has no id or no revision")
    revision = {_name(child): child for child in of_revision}
    # Schema 0.11 may put the main slot's model and text into <content>; older ones know no slots.
    text = revision.get("text")
    deleted = text is None or text.get("deleted") is not None
    missing = not deleted and is_missing(text)
    if text is not None and len(text):
        raise TglError(f"{path}: page '{title}': markup inside <text>, where dumps have none")
    try:
        page_id = int(_text(fields, "id"))
        revision_id = int(_text(revision, "id")) if "id" in revision else 0
        namespace = int(_text(fields, "ns")) if "ns" in fields else _namespace_of(path, title)
        if not (0 <= page_id < 2**63 and 0 <= revision_id < 2**63):
            raise ValueError(f"ids from 0 to 2^63 expected, {page_id} and {revision_id} found")
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
        text=None if deleted or missing else text.text or "",
        missing=missing,
    )


def _text(fields: dict, name: str) -> str:
    return (fields[name].text or "") if name in fields else ""


def _namespace_of(path: Path, title: str) -> int:
    # Old exports lack <ns>. A colon in an article's title is rare; talk, user and template pages have one.
    prefix, colon, _ = title.partition(":")
    return (read_siteinfo(path).namespaces or _ENGLISH).get(prefix, 0) if colon else 0
