"""Texts that failed to load when a dump was written, and stub dumps, which hold no texts by design.

Such a text stands as `<text bytes="52" />`: nothing where its size says that there is something.
"""

from __future__ import annotations

import re
from pathlib import Path

from lxml import etree

from tgl.errors import TglError

_STUB = re.compile(r"(^|-)stub-")
_EARLY = 1000  # revisions, after which a file that showed no text is taken for a stub
_MANY = 10


def is_missing(text: etree._Element) -> bool:
    """Tell whether a text that was not deleted failed to load: it is blank, and its size says otherwise.

    Old stub dumps have no size, but the id under which the text is stored.
    """
    found = text.text or ""
    if found.strip():
        return False
    size = text.get("bytes")
    if size is None:
        return not found and text.get("id") is not None
    return re.fullmatch(r"\d{1,18}", size) is not None and int(size) > len(found.encode())


def refuse_stub(path: str | Path) -> None:
    """Raise TglError for a file that its name calls a stub dump."""
    name = Path(path).name
    if _STUB.search(name):
        raise TglError(f"{path}: a stub dump by its name, without the texts of pages. {DOWNLOAD}")


class TextCount:
    """How many texts of a dump file are there, and how many are missing.

    has_earlier: texts of the date before stand in for missing ones, so that a file of few pages may lack all of them.
    """

    def __init__(self, path: str | Path, has_earlier: bool = False) -> None:
        self._path, self._found, self._missing = path, 0, 0
        self._has_earlier = has_earlier

    def add(self, text: str | None, missing: bool) -> None:
        """Count a revision's text. Raises TglError where so many are missing that the file is a stub."""
        self._missing += missing
        self._found += bool(text and text.strip())
        if self._missing == _EARLY and not self._found:
            self.finish()

    def finish(self) -> None:
        """Raise TglError for a file of which no text, or the smaller part of many, is there."""
        found, missing = self._found, self._missing
        none = missing and not found and not self._has_earlier
        if none or (missing >= _MANY and missing > found):
            raise TglError(
                f"{self._path}: {missing} texts failed to load or were left out, {found} are there; it is a stub dump, "
                f"or damaged. {DOWNLOAD}"
            )


DOWNLOAD = "Download a dump with texts: pages-articles-multistream, or pages-meta-history for all revisions."
