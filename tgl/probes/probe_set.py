"""Define the interface of a probe set: a source of salient spans.

A set is a module of `tgl.probes.sets` with the attribute `PROBE_SET`, or an entry point "tgl.probe_sets" of another
package.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tgl.core.config_types import Section
from tgl.core.registry import Registry

if TYPE_CHECKING:
    from tgl.probes.settings import ProbesConfig


@dataclass(frozen=True)
class Inputs:
    """The inputs from which a set makes its probes.

    Attributes:
        settings: The section `probes` of the configuration.
        own: The section of this set, or None if it has none.
        dates: The dates of all snapshots.
        holdout_share: The share of pages that no training text contains.
        base_pages: The tables `pages` of the base text.
        files: Files that earlier workflow steps write for a set, by name of the set. Examples are the table `facts` of
            the synthetic world, the answers of Wikidata, and the tables of spans found in the snapshots.
    """

    settings: ProbesConfig
    own: Section | None
    dates: list[str]
    holdout_share: float
    base_pages: Iterable[str | Path]
    files: Mapping[str, list[Path]]


@dataclass(frozen=True)
class ProbeSet:
    """One set of probes.

    Attributes:
        make: Returns the rows of the table `probes`, and the counts of used and discarded candidates.
        Settings: The section `probes.<name>` of the configuration, or None for a set without settings.
        files: The keys of its settings that hold a file or a list of files. Relative paths start from `data_root`.
        check: Raises TglError for files that `make` could not use. It gets the set's settings, the dates and the
            section `probes`, before anything runs.
        needs: The command-line option, and the command that writes its file, if the set needs a file of an earlier
            step.
    """

    make: Callable[[Inputs], tuple[list[dict], Counter]]
    Settings: type[Section] | None = None
    files: tuple[str, ...] = ()
    check: Callable[[Section, list[str], ProbesConfig], None] | None = None
    needs: str | None = None


PROBE_SETS = Registry("set of probes", "probe_sets", "tgl.probes.sets", "PROBE_SET", ProbeSet)
