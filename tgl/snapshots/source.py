"""Define the interface of a snapshot source, which provides the dump files of each date.

A source is a module of `tgl.snapshots.sources` with the attribute `SOURCE`, or an entry point "tgl.sources" of another
package. These modules import heavy packages inside their functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tgl.core.config_types import Section
from tgl.core.registry import Registry

# The arguments are the settings, the date YYYYMMDD, a folder for the files (empty or partly filled), and a function
# that logs a line. The result is the dump files (MediaWiki XML, plain or compressed) and their origin, which goes into
# the metadata of the table.
Fetch = Callable[[Any, str, Path, Callable[[str], None]], tuple[Sequence[Path], Mapping[str, str]]]


@dataclass(frozen=True)
class Source:
    """One source of snapshots.

    Attributes:
        Settings: Its section `snapshots.<name>` of the configuration, or None for a source without settings.
        fetch: Gets the dump files of one date. None for a source that has its own rules in the workflow.
    """

    Settings: type[Section] | None = None
    fetch: Fetch | None = None


SOURCES = Registry("source", "sources", "tgl.snapshots.sources", "SOURCE", Source)
