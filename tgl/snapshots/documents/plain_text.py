"""Read the text of .txt, .md and .html files as a reader sees it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import PurePosixPath

from tgl.core.errors import TglError
from tgl.core.extras import naming_extra
from tgl.snapshots.documents.document import Document
from tgl.snapshots.scripts import script_mark

_SPACES = re.compile(r"(?<=\S)[ \t]{2,}")
_BLANK_LINES = re.compile(r"\n(?:[ \t]*\n){2,}")
_INLINE = frozenset(
    "a abbr b bdi bdo big cite code del dfn em font i ins kbd mark q s samp small span strike strong sub sup tt u "
    "var".split()
)
_SCRIPT = re.compile(r"<su[bp]\b", re.IGNORECASE)
_HEADING = re.compile(r"<h1>(.*?)</h1>", re.DOTALL)  # as the Markdown renderer writes it
# What site generators read from the head of a page. Readers do not see it, and its dates change with every edit.
# It begins with a key: a text between two rules rarely does.
_FRONT_MATTER = re.compile(r"---[ \t]*\n([A-Za-z_][\w-]*:(?:.*\n)*?)---[ \t]*(?:\n|\Z)")


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

    front, body = _front_matter(text)
    html = MarkdownIt("commonmark").enable("table").render(body)
    heading = _HEADING.search(html)
    title = str(front.get("title") or "")
    return _visible(heading[1], where) if heading else title, _visible(html, where)


def _front_matter(text: str) -> tuple[Mapping, str]:
    """Return the front matter of Markdown and the text behind it. Text between two rules is none."""
    import yaml

    if found := _FRONT_MATTER.match(text):
        try:
            values = yaml.safe_load(found[1])
        except (yaml.YAMLError, ValueError):  # ValueError: a date such as 2021-02-30
            values = None
        if isinstance(values, dict):
            return values, text[found.end() :]
    return {}, text


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
    with naming_extra("reading HTML and Markdown"):
        from lxml import etree
        from lxml.html import HTMLParser, document_fromstring, tostring

    try:
        tree = document_fromstring(html.encode(), parser=HTMLParser(encoding="utf-8"))
    except etree.ParserError:  # There is no element at all, only a comment.
        return html
    last = ""  # the last character before, in the same block
    for event, element in etree.iterwalk(tree, events=("start", "end", "comment", "pi")):
        if event in ("start", "end") and element.tag not in _INLINE:
            last = ""
        if event == "start":
            if element.tag in ("sup", "sub"):
                mark = script_mark(last, element.xpath("string()"), element.tag)
                element.text = mark + (element.text or "")
            last = (element.text or "")[-1:] or last
        else:
            last = (element.tail or "")[-1:] or last
    return tostring(tree, encoding="unicode")


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
