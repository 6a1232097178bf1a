"""Detect texts that failed to load when a dump was written, and stub dumps, which contain no texts.

Such a text is an empty element with a positive size, for example `<text bytes="52" />`.
"""

from __future__ import annotations

import re
from pathlib import Path

from lxml import etree

from tgl.core.errors import TglError

_STUB = re.compile(r"(^|-)stub-")
_EARLY = 1000  # missing texts without any text found, after which a file is treated as a stub dump
_MANY = 10  # missing texts above which a file may not have fewer texts than missing ones


def is_missing(text: etree._Element) -> bool:
    """Return whether a text failed to load: it is blank, but its size is positive.

    Old stub dumps have no size; there the id under which the text is stored indicates a missing text.
    """
    found = text.text or ""
    if found.strip():
        return False
    size = text.get("bytes")
    if size is None:
        return not found and text.get("id") is not None
    return re.fullmatch(r"\d{1,18}", size) is not None and int(size) > len(found.encode())


def refuse_stub(path: str | Path) -> None:
    """Raise TglError if the name of a file marks it as a stub dump."""
    name = Path(path).name
    if _STUB.search(name):
        raise TglError(
            f"{path}: a stub dump by its name, expected a dump with the texts of pages. {DOWNLOAD}"
        )


class TextCount:
    """Count the available and the missing texts of a dump file.

    Args:
        path: The dump file.
        has_earlier: Whether texts of the previous date replace missing ones. A file with few pages may then lack all
            texts.
    """

    def __init__(self, path: str | Path, has_earlier: bool = False) -> None:
        self._path, self._found, self._missing = path, 0, 0
        self._has_earlier = has_earlier

    def add(self, text: str | None, missing: bool) -> None:
        """Count the text of a revision.

        Raises:
            TglError: So many texts are missing that the file must be a stub dump.
        """
        self._missing += missing
        self._found += bool(text and text.strip())
        if self._missing == _EARLY and not self._found:
            self.finish()

    def finish(self) -> None:
        """Check the counts at the end of a file.

        Raises:
            TglError: No text is available, or most texts are missing.
        """
        found, missing = self._found, self._missing
        none = missing and not found and not self._has_earlier
        if none or (missing >= _MANY and missing > found):
            raise TglError(
                f"{self._path}: {missing} texts are missing, {found} are available; the file is a stub dump or "
                f"damaged. {DOWNLOAD}"
            )


DOWNLOAD = "Download a dump with texts: pages-articles-multistream, or pages-meta-history for all revisions."
