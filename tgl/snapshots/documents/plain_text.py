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

_SPACES = re.compile(r"(?<=\S)[ \t]{2,}")
_BLANK_LINES = re.compile(r"\n(?:[ \t]*\n){2,}")
_HEADING = re.compile(r"<h1>(.*?)</h1>", re.DOTALL)  # as the Markdown renderer writes it


def document_of_file(name: str, content: bytes, where: str) -> Document:
    """Return the document of a file; its id is its name.

    The title is the first heading of level 1 of Markdown, the <title> of HTML, or else the name of the file without its
    ending.

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

    html = MarkdownIt("commonmark").enable("table").render(text)
    heading = _HEADING.search(html)
    return _visible(heading[1], where) if heading else "", _visible(html, where)


def _html(text: str, where: str) -> tuple[str, str]:
    with naming_extra("reading HTML and Markdown"):
        from lxml import etree, html

    try:
        tree = html.document_fromstring(text.encode(), parser=html.HTMLParser(encoding="utf-8"))
    except etree.ParserError:  # There is no element at all.
        return "", _visible(text, where)
    return " ".join((tree.findtext("head/title") or "").split()), _visible(text, where)


def _visible(html: str, where: str) -> str:
    """Return the text of HTML, with a line for each block and row of a table, and ^ before a superscript."""
    try:
        found = _converter()(html)
    except (ValueError, RecursionError) as error:  # lxml raises ValueError, for example for null characters
        raise TglError(
            f"{where}: cannot be read as HTML ({error}). Repair the file, or leave it out"
        ) from None
    lines = "\n".join(_SPACES.sub(" ", line.rstrip()) for line in found.split("\n"))
    return _BLANK_LINES.sub("\n\n", lines).strip("\n")


@cache
def _converter() -> Callable[[str], str]:
    with naming_extra("reading HTML and Markdown"):
        from inscriptis import get_text
        from inscriptis.css_profiles import STRICT_CSS_PROFILE
        from inscriptis.html_properties import Display
        from inscriptis.model.config import ParserConfig
        from inscriptis.model.html_element import HtmlElement
        from inscriptis.model.tag import CustomHtmlTagHandlerMapping

    # 10<sup>6</sup> must not become 106.
    superscript = CustomHtmlTagHandlerMapping(
        start_tag_mapping={"sup": lambda state, attributes: state.tags[-1].write("^")}, end_tag_mapping={}
    )
    config = ParserConfig(
        # Without a white space of its own, <code> inside <pre> keeps its lines.
        css=STRICT_CSS_PROFILE | {"code": HtmlElement(display=Display.inline, whitespace=None)},
        custom_html_tag_handler_mapping=superscript,
        table_cell_separator=" | ",
    )
    return lambda html: get_text(html, config)


_READERS = {".txt": _text, ".md": _markdown, ".html": _html, ".htm": _html}
ENDINGS = tuple(_READERS)
