"""Write pages as a MediaWiki dump: a multistream .xml.bz2 like Wikimedia's, with one revision for each page."""

from __future__ import annotations

import bz2
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from xml.sax.saxutils import escape, quoteattr

from tgl.core.files import atomic_path
from tgl.snapshots.dumps.revisions import revision_sha1
from tgl.snapshots.dumps.siteinfo import Siteinfo

PAGES_PER_STREAM = 100
_STREAM_CHARACTERS = 1 << 20  # a stream ends with the page that reaches this, which limits the buffer
_FORMATS = {
    "wikitext": "text/x-wiki",
    "css": "text/css",
    "javascript": "text/javascript",
    "json": "application/json",
}


@dataclass(frozen=True)
class Page:
    """One page as a dump contains it; `redirect` is the title it leads to, or None."""

    page_id: int
    title: str
    namespace: int
    revision_id: int
    timestamp: str
    text: str
    redirect: str | None = None
    model: str = "wikitext"


class DumpWriter:
    """Write a dump file page by page, in order of page ids.

    The file gets its name when the `with` block succeeds.

    Args:
        path: The file to write.
        header: The XML before the first page.
        index: A list that gets a line offset:page_id:title for each page, or None.
    """

    def __init__(self, path: Path, header: str, index: list[str] | None = None) -> None:
        self.path, self.header, self.index = path, header, index
        self._pages: list[Page] = []
        self._xml: list[str] = []
        self._characters = 0

    def __enter__(self) -> DumpWriter:
        self._whole = atomic_path(self.path)
        self._stream = open(self._whole.__enter__(), "wb")
        self._stream.write(bz2.compress(self.header.encode()))
        return self

    def add(self, page: Page) -> None:
        """Append one page."""
        xml = page_xml(page)
        self._pages.append(page)
        self._xml.append(xml)
        self._characters += len(xml)
        if len(self._pages) == PAGES_PER_STREAM or self._characters >= _STREAM_CHARACTERS:
            self._flush()

    def _flush(self) -> None:
        if self.index is not None:
            self.index += [f"{self._stream.tell()}:{page.page_id}:{page.title}" for page in self._pages]
        if self._pages:
            self._stream.write(bz2.compress("".join(self._xml).encode()))
        self._pages, self._xml, self._characters = [], [], 0

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stream:
            if kind is None:
                self._flush()
                self._stream.write(bz2.compress(b"</mediawiki>\n"))
        self._whole.__exit__(kind, value, trace)


def dump_header(site: Siteinfo) -> str:
    """Return the XML before the first page."""
    names = "".join(
        f"    <{name}>{escape(text)}</{name}>\n"
        for name in ("sitename", "dbname", "base")
        if (text := getattr(site, name))
    )
    spaces = "".join(
        f'      <namespace key="{key}" case="first-letter">{escape(name)}</namespace>\n'
        for name, key in site.namespaces.items()
    )
    return (
        '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" '
        f"xml:lang={quoteattr(site.language)}>\n  <siteinfo>\n{names}"
        f"    <namespaces>\n{spaces}    </namespaces>\n  </siteinfo>\n"
    )


def page_xml(page: Page) -> str:
    """Return the element <page> of a page, which starts and ends at line boundaries."""
    redirect = (
        ""
        if page.redirect is None
        else f'    <redirect title="{escape(page.redirect, {chr(34): "&quot;"})}" />\n'
    )
    size = len(page.text.encode())
    # XML parsers read a bare carriage return as the end of a line.
    text = escape(page.text, {"\r": "&#13;"})
    return (
        f"  <page>\n    <title>{escape(page.title)}</title>\n    <ns>{page.namespace}</ns>\n"
        f"    <id>{page.page_id}</id>\n{redirect}    <revision>\n      <id>{page.revision_id}</id>\n"
        f"      <timestamp>{page.timestamp}</timestamp>\n      <model>{escape(page.model)}</model>\n"
        f"      <format>{_FORMATS.get(page.model, 'text/plain')}</format>\n"
        f'      <text bytes="{size}" xml:space="preserve">{text}</text>\n'
        f"      <sha1>{revision_sha1(page.text)}</sha1>\n    </revision>\n  </page>\n"
    )
