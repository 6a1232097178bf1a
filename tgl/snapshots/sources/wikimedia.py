"""Download dump files over HTTP from Wikimedia or a mirror."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tgl.snapshots.settings import WikimediaConfig
from tgl.snapshots.source import Source


def fetch(
    settings: WikimediaConfig, date: str, folder: Path, *, say: Callable[[str], None]
) -> tuple[Sequence[Path], Mapping[str, str]]:
    """Download and verify the dump of one date."""
    from tgl.snapshots.wikimedia.download import download_dump

    return download_dump(settings, date, folder, say=say)


SOURCE = Source(WikimediaConfig, fetch)
