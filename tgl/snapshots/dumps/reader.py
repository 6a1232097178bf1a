"""Read MediaWiki XML dumps as a stream, one page at a time, with memory independent of the size of the dump."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby, takewhile
from operator import attrgetter
from pathlib import Path

from lxml import etree

from tgl.core.errors import TglError
from tgl.snapshots.dumps.missing_text import DOWNLOAD, TextCount, is_missing
from tgl.snapshots.dumps.siteinfo import local_name as _name
from tgl.snapshots.dumps.siteinfo import new_parser, read_siteinfo
from tgl.snapshots.dumps.streams import Read, xml_pieces
from tgl.snapshots.dumps.xml_faults import Fault, beginning_fault, find_fault, is_too_large, reported_fault

# Limit of the bytes without the end of a page or revision. MediaWiki's largest pages have 2 MiB. lxml itself rejects
# texts of more than 10 million characters, nesting deeper than 256, and entities that grow.
_MOST_UNFINISHED = 32 << 20
_FIELDS = ("title", "ns", "id", "redirect")
# The namespaces for dumps whose head names none.
_ENGLISH = {"Talk": 1, "User": 2, "User talk": 3, "File": 6, "MediaWiki": 8, "Template": 10, "Category": 14}


@dataclass(frozen=True)
class RawPage:
    """A page and one of its revisions, as the dump has them.

    `text` is None if it was deleted, or if it is `missing` because it failed to load when the dump was written.
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
    path: str | Path,
    first: int = 0,
    last: int | None = None,
    *,
    has_earlier: bool = False,
    read: Read = lambda done, total: None,
) -> Iterator[RawPage]:
    """Yield the pages of a dump file: .xml, .bz2 or .7z, schema 0.9 to 0.11.

    If a page has several revisions, the last one in the file is used. Everything after </mediawiki> is ignored.

    Args:
        path: The dump file.
        first: The first page id of the wanted range.
        last: The last page id of the range, or None for no limit.
        has_earlier: Whether texts of the previous date replace missing ones (see `TextCount`).
        read: Called with the bytes of the file read so far and in total, as in `xml_pieces`.

    Raises:
        TglError: The file is not such a dump, is a stub dump, or ends before </mediawiki>. Without this error, missing
            pages would go unnoticed.
    """
    path = Path(path)
    texts = TextCount(path, has_earlier)
    for element in _elements(path, first, last, report=read):
        if _name(element) == "page":
            revisions = element.findall("{*}revision")
            page = _page(path, element, revisions[-1] if revisions else None)
            texts.add(page.text, page.missing)
            if first <= page.page_id and (last is None or page.page_id <= last):
                yield page
    texts.finish()


def read_histories(path: str | Path, *, threads: int = 1) -> Iterator[Iterator[RawPage]]:
    """Yield, for each page of a dump file, an iterator over its revisions in file order.

    Each iterator must be exhausted before the next one. Memory holds a few revisions, however many a page has.

    Args:
        path: The dump file.
        threads: Threads that decompress it, as in `xml_pieces`.

    Raises:
        TglError: As in `read_pages`, or the id of a page follows its revisions.
    """
    with closing(_numbered_revisions(Path(path), threads)) as found:
        for _, revisions in groupby(found, key=attrgetter("page_number")):
            yield (revision.page for revision in revisions)


@dataclass(frozen=True, slots=True)
class _NumberedRevision:
    """A page with one of its revisions, and the position of the page in the file."""

    page_number: int
    page: RawPage


def _numbered_revisions(path: Path, threads: int) -> Iterator[_NumberedRevision]:
    """Yield each revision of a file, with the position of its page."""
    texts = TextCount(path)
    number, revisions = 0, 0
    for element in _elements(path, threads=threads):
        if _name(element) == "revision":
            revisions += 1
            # How far the parser has read beyond this revision depends on the pieces, so ignore what follows it.
            before = takewhile(lambda child, end=element: child is not end, element.getparent())
            page = _page(path, before, element)
            texts.add(page.text, page.missing)
            yield _NumberedRevision(number, page)
        elif revisions == 0:
            _page(path, element, None)
        else:
            number, revisions = number + 1, 0
    texts.finish()


def _elements(
    path: Path,
    first: int = 0,
    last: int | None = None,
    *,
    report: Read = lambda done, total: None,
    threads: int = 1,
) -> Iterator[etree._Element]:
    """Yield each element <revision> at its end, and then its <page>, which still contains the last revision."""
    parser = new_parser()
    root = None
    depth = unfinished = read = 0
    with closing(xml_pieces(path, first, last, read=report, threads=threads)) as pieces:
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
                    if path.suffix == ".7z":  # the checksum is verified only at the end
                        deque(pieces, maxlen=0)
                    return
                if depth == 1:
                    if _name(element) == "logitem":
                        raise TglError(
                            f"{path}: found a log of actions (<logitem>), expected pages. {DOWNLOAD}"
                        )
                    if _name(element) == "page":
                        yield element
                        unfinished = 0
                    element.clear()
                    root.clear()  # drops the earlier siblings
                elif depth == 2 and _name(element) == "revision":
                    _drop_earlier(element)
                    unfinished = 0
                    if _name(element.getparent()) == "page":
                        yield element
            if failure is not None and root is None:
                raise TglError(beginning_fault(failure, piece).message(path))
            if failure is not None:
                fault = _fault(path, first, last, size=read, reported=failure)
                raise TglError((fault or reported_fault(failure)).message(path))
            if unfinished > _MOST_UNFINISHED:
                if fault := _fault(path, first, last, size=read):
                    raise TglError(fault.message(path))
                raise TglError(
                    f"{path}: found {unfinished} bytes without the end of a page or revision, expected at most "
                    f"{_MOST_UNFINISHED}. Give a dump as the wiki publishes it"
                )
    if root is not None and (fault := _fault(path, first, last, size=read)):
        raise TglError(fault.message(path))
    raise TglError(f"{path}: ends before </mediawiki>. The file is cut off, download it again")


def _fault(
    path: Path, first: int, last: int | None, *, size: int, reported: etree.XMLSyntaxError | None = None
) -> Fault | None:
    """Read the same part of the file again up to the same position, and return the error in its XML or None."""
    if reported is not None and is_too_large(reported):
        return None
    with closing(xml_pieces(path, first, last)) as pieces:
        fault = find_fault(_first_bytes(pieces, size))
    # Line numbers within a part are not those of the file.
    return fault and fault._replace(line=fault.line if (first, last) == (0, None) else 0)


def _first_bytes(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    while size > 0 and (piece := next(pieces, b"")):
        size -= len(piece)
        yield piece


def _check_root(path: Path, root: etree._Element) -> None:
    if _name(root) != "mediawiki":
        raise TglError(f"{path}: found the root element <{_name(root)}>, expected <mediawiki>. Give a dump")
    if root.getroottree().docinfo.internalDTD is not None:
        raise TglError(
            f"{path}: found a DOCTYPE, which dumps do not have. Give a dump as the wiki publishes it"
        )


def _drop_earlier(revision: etree._Element) -> None:
    """Drop the revisions before this one, so that memory does not hold the history of a page."""
    for child in list(revision.itersiblings(preceding=True)):
        if _name(child) not in _FIELDS:
            child.getparent().remove(child)


def _page(path: Path, children: Iterable[etree._Element], of_revision: etree._Element | None) -> RawPage:
    fields = {_name(child): child for child in children}
    title = fields["title"].text or "" if "title" in fields else ""
    if "id" not in fields or of_revision is None:
        raise TglError(f"{path}: page '{title}' has no id or no revision. Download the file again")
    revision = {_name(child): child for child in of_revision}
    # Schema 0.11 may put model and text of the main slot into <content>. Older schemas have no slots.
    text = revision.get("text")
    deleted = text is None or text.get("deleted") is not None
    missing = not deleted and is_missing(text)
    if text is not None and len(text):
        raise TglError(f"{path}: page '{title}': found XML elements inside <text>, expected only text")
    try:
        page_id = int(_text(fields, "id"))
        revision_id = int(_text(revision, "id")) if "id" in revision else 0
        namespace = int(_text(fields, "ns")) if "ns" in fields else _namespace_of(path, title)
        if not (0 <= page_id < 2**63 and 0 <= revision_id < 2**63):
            raise ValueError(f"found the ids {page_id} and {revision_id}, expected ids from 0 to 2^63")
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
    # Old exports lack <ns>. Article titles rarely contain a colon; talk, user and template pages always do.
    prefix, colon, _ = title.partition(":")
    return (read_siteinfo(path).namespaces or _ENGLISH).get(prefix, 0) if colon else 0
