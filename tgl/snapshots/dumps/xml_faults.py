"""Find out why a dump is not well-formed XML, and what the user can do.

lxml stops without an error at an undefined entity and at a bare "&", so that the rest of the file seems cut off.
Python's expat reads the file again up to the error and names it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple
from xml.parsers import expat

from lxml import etree

_DOWNLOAD = "Download the file again."
_NO_DUMP = "Give a dump as the wiki publishes it."
_FORMATS = (
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"7z\xbc\xaf", "7z"),
    (b"\xfd7zXZ", "xz"),
    (b"PK", "zip"),
)
_ENTITY = re.compile(rb"&[A-Za-z_:][^\s;&<>\"']{0,60};")
_UNFINISHED = re.compile(rb"[&<][\w.:-]{0,60}$")
_FEW = 400  # bytes around an error that are examined
_PYTHON, _EXPAT = etree.ErrorTypes, expat.errors


class Fault(NamedTuple):
    """The first error in an XML file.

    Attributes:
        line: The line, from 1; 0 if it is not known.
        what: What is wrong.
        advice: What the user can do.
    """

    line: int
    what: str
    advice: str

    def message(self, path: Path) -> str:
        """Return the error message for a file."""
        place = f", line {self.line}" if self.line else ""
        return f"{path}: not well-formed XML{place}: {self.what}. {self.advice}"


_UNDEFINED = (
    "XML defines only &amp; &lt; &gt; &quot; &apos; and numbers like &#160;. Write the character itself."
)
_BARE = Fault(0, "found a bare & or <, expected &amp; or &lt;", "Replace it, or download the file again.")
_TAGS = Fault(0, "an end tag does not match its start tag; the file is damaged or was edited", _DOWNLOAD)
_ENCODING = Fault(0, "found bytes that are not UTF-8", "Convert the file to UTF-8, or download it again.")
_CONTROL = Fault(0, "a character that XML does not allow", "Remove it, or download the file again.")
_LARGE = Fault(0, "a text, an attribute or the nesting is larger than in any dump", _NO_DUMP)
_BY_CODE = {
    _PYTHON.ERR_NAME_REQUIRED: _BARE,
    _PYTHON.ERR_ENTITYREF_SEMICOL_MISSING: _BARE,
    _PYTHON.ERR_LT_IN_ATTRIBUTE: _BARE,
    _PYTHON.ERR_TAG_NAME_MISMATCH: _TAGS,
    _PYTHON.ERR_INVALID_ENCODING: _ENCODING,
    _PYTHON.ERR_UNSUPPORTED_ENCODING: _ENCODING,
    _PYTHON.ERR_UNKNOWN_ENCODING: _ENCODING,
    _PYTHON.ERR_INVALID_CHAR: _CONTROL,
    _PYTHON.ERR_NAME_TOO_LONG: _LARGE,
    114: _LARGE,  # XML_ERR_RESOURCE_LIMIT of libxml2; lxml has no name for it
}
_CUT_OFF = {
    _EXPAT.codes[message]
    for message in (
        _EXPAT.XML_ERROR_NO_ELEMENTS,
        _EXPAT.XML_ERROR_UNCLOSED_TOKEN,
        _EXPAT.XML_ERROR_PARTIAL_CHAR,
        _EXPAT.XML_ERROR_UNCLOSED_CDATA_SECTION,
    )
}


def reported_fault(error: etree.XMLSyntaxError) -> Fault:
    """Return the error that lxml reports."""
    line = error.position[0]
    found = _BY_CODE.get(error.code)
    text = str(error.msg or "").split(", line ")[0].strip()
    return found._replace(line=line) if found else Fault(line, text or "it cannot be read", _DOWNLOAD)


def is_too_large(error: etree.XMLSyntaxError) -> bool:
    """Return whether lxml stopped at one of its own limits, which expat does not have."""
    return _BY_CODE.get(error.code) is _LARGE


def beginning_fault(error: etree.XMLSyntaxError, piece: bytes) -> Fault:
    """Return the error of a file whose root cannot be read.

    Args:
        error: The error of lxml.
        piece: The first bytes of the file.
    """
    for magic, name in _FORMATS:
        if piece.startswith(magic):
            return Fault(0, f"the file is compressed with {name}, unlike its name", "Correct the file name.")
    if error.code != _PYTHON.ERR_DOCUMENT_EMPTY:
        return reported_fault(error)
    shown = piece[:40].decode("utf-8", "replace")
    return Fault(0, f"found {shown!r} at the beginning, expected <mediawiki>", _NO_DUMP)


def find_fault(pieces: Iterable[bytes]) -> Fault | None:
    """Return the first error of a document given in pieces, or None if the document only ends too early.

    Memory holds one piece. Do not use this for documents with a DOCTYPE, because their entities can grow.
    """
    parser = expat.ParserCreate()
    before, read = b"", 0
    try:
        for piece in pieces:
            window, start, read = before + piece, read - len(before), read + len(piece)
            before = piece[-_FEW:]
            parser.Parse(piece, False)
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        if error.code in _CUT_OFF:
            return None
        at = max(parser.ErrorByteIndex - start, 0)
        return _expat_fault(error, window[max(at - _FEW, 0) : at], window[at : at + _FEW])
    return None


def _expat_fault(error: expat.ExpatError, before: bytes, text: bytes) -> Fault:
    """Return the error at the beginning of `text`, given the kind that expat reports."""
    line = error.lineno
    kind = expat.ErrorString(error.code)
    if kind == _EXPAT.XML_ERROR_UNDEFINED_ENTITY:
        match = _ENTITY.search(text)
        name = match[0].decode("utf-8", "replace") if match else "one"
        return Fault(line, f"the entity {name} is not defined", _UNDEFINED)
    if kind == _EXPAT.XML_ERROR_TAG_MISMATCH:
        return _TAGS._replace(line=line)
    if kind == _EXPAT.XML_ERROR_BAD_CHAR_REF:
        return _CONTROL._replace(line=line)
    if kind == _EXPAT.XML_ERROR_INVALID_TOKEN:
        if not _is_utf8(text[:4]):
            return _ENCODING._replace(line=line)
        if text[:1] < b" " or text[:1] >= b"\x7f":
            return _CONTROL._replace(line=line)
        if text[:1] in (b"&", b"<") or _UNFINISHED.search(before):
            return _BARE._replace(line=line)
    return Fault(line, kind, _DOWNLOAD)


def _is_utf8(text: bytes) -> bool:
    """Return whether the bytes start with a character in UTF-8."""
    for size in range(1, 5):
        try:
            text[:size].decode()
        except UnicodeDecodeError:
            continue
        return True
    return False
