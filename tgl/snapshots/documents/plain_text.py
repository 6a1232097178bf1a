"""Read the text of .txt, .md and .html files as a reader sees it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import cache
from pathlib import PurePosixPath

from tgl.core.errors import TglError
from tgl.core.extras import naming_extra
from tgl.snapshots.documents.document import Document
from tgl.snapshots.scripts import script_mark

_SPACES = re.compile(r"(?<=\S)[ \t]{2,}")
_BLANK_LINES = re.compile(r"\n(?:[ \t]*\n){2,}")
_SCRIPT = re.compile(r"<su[bp]\b", re.IGNORECASE)
_HEADING = re.compile(r"<h1>(.*?)</h1>", re.DOTALL)  # as the Markdown renderer writes it


# What site generators read from the head of a page. Readers do not see it, and its dates change with every edit.
_FRONT_MATTER = re.compile(r"---[ \t]*\n((?:.*\n)*?)---[ \t]*(?:\n|\Z)")
_FRONT_TITLE = re.compile(r"^title:[ \t]*(.+)$", re.MULTILINE)


def document_of_file(name: str, content: bytes, where: str) -> Document:
    """Return the document of a file; its id is its name.

    The title is the first heading of level 1 of Markdown or that of its front matter, the <title> of HTML, or else the
    name of the file without its ending. Front matter (a block between lines of ---) is no text.

    Args:
        name: The path below the folder of the collection, with /.
        content: The bytes of the file.
        where: The file, for messages.

    Raises:
        TglError: The file is not UTF-8, cannot be read as HTML, or a package for it is missing.
    """
    try:
        text = content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise TglError(f"{where}: not UTF-8 ({error}). Convert it, for example with iconv") from None
    path = PurePosixPath(name)
    title, plain = _READERS[path.suffix.lower()](text, where)
    # macOS may store names in another Unicode form than Linux.
    return Document(unicodedata.normalize("NFC", name), title.strip() or path.stem, plain)


def _text(text: str, where: str) -> tuple[str, str]:
    return "", text


def _markdown(text: str, where: str) -> tuple[str, str]:
    from markdown_it import MarkdownIt

    front = _FRONT_MATTER.match(text)
    html = MarkdownIt("commonmark").enable("table").render(text[front.end() :] if front else text)
    heading = _HEADING.search(html)
    title = _FRONT_TITLE.search(front[1]) if front else None
    of_front = title[1].strip().strip("\"'") if title else ""
    return _visible(heading[1], where) if heading else of_front, _visible(html, where)


def _html(text: str, where: str) -> tuple[str, str]:
    with naming_extra("reading HTML and Markdown"):
        from lxml import etree, html

    try:
        tree = html.document_fromstring(text.encode(), parser=html.HTMLParser(encoding="utf-8"))
    except etree.ParserError:  # There is no element at all.
        return "", _visible(text, where)
    return " ".join((tree.findtext("head/title") or "").split()), _visible(text, where)


def _visible(html: str, where: str) -> str:
    """Return the text of HTML, with a line for each block and row of a table, and ^ before a power."""
    try:
        found = _converter()(_with_script_marks(html))
    except (ValueError, RecursionError) as error:  # lxml raises ValueError, for example for null characters
        raise TglError(
            f"{where}: cannot be read as HTML ({error}). Repair the file, or leave it out"
        ) from None
    lines = "\n".join(_SPACES.sub(" ", line.rstrip()) for line in found.split("\n"))
    return _BLANK_LINES.sub("\n\n", lines).strip("\n")


def _with_script_marks(html: str) -> str:
    """Return HTML with the marks of `script_mark` in its superscripts and subscripts."""
    if not _SCRIPT.search(html):
        return html
    from lxml.html import HTMLParser, document_fromstring, tostring

    tree = document_fromstring(html.encode(), parser=HTMLParser(encoding="utf-8"))
    for element in tree.iter("sup", "sub"):
        mark = script_mark(_text_before(element), "".join(element.itertext()), element.tag)
        element.text = mark + (element.text or "")
    return tostring(tree, encoding="unicode")


def _text_before(element) -> str:
    previous = element.getprevious()
    if previous is None:
        return element.getparent().text or ""
    return previous.tail or "".join(previous.itertext())


@cache
def _converter() -> Callable[[str], str]:
    with naming_extra("reading HTML and Markdown"):
        from inscriptis import get_text
        from inscriptis.css_profiles import STRICT_CSS_PROFILE
        from inscriptis.html_properties import Display
        from inscriptis.model.config import ParserConfig
        from inscriptis.model.html_element import HtmlElement

    config = ParserConfig(
        # Without a white space of its own, <code> inside <pre> keeps its lines.
        css=STRICT_CSS_PROFILE | {"code": HtmlElement(display=Display.inline, whitespace=None)},
        table_cell_separator=" | ",
    )
    return lambda html: get_text(html, config)


_READERS = {".txt": _text, ".md": _markdown, ".html": _html, ".htm": _html}
ENDINGS = tuple(_READERS)
