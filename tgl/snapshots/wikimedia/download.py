"""Download the dump of one date from the first source that has all its files."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

from tgl.core.errors import TglError
from tgl.snapshots.settings import WikimediaConfig
from tgl.snapshots.wikimedia.fetch import Refused, fetch, get_text, new_client
from tgl.snapshots.wikimedia.hosts import SHIPPED, SUMS, RemoteFile, Source, listed, sources

_MOST_STATUS_BYTES = 64 << 20  # a hundred times the size of English Wikipedia's dumpstatus.json


def download_dump(
    settings: WikimediaConfig,
    date: str,
    folder: Path,
    *,
    say: Callable[[str], None] = print,
    wait: Callable[[float], None] = time.sleep,
) -> tuple[list[Path], dict[str, str]]:
    """Download the dump files of `settings.part` at `date` into `folder`.

    Sources are tried in the order of the table. For a listing, the nearest dump dates are tried too. Each file must
    have the size and checksum that its source publishes. A file that is already there and has both is kept. Incomplete
    files never get a final name.

    Args:
        settings: The section `snapshots.wikimedia` of the configuration.
        date: The date, as YYYYMMDD.
        folder: The output folder.
        say: Logs a line.
        wait: Sleeps for some seconds.

    Returns:
        The paths, and the origin of the files.

    Raises:
        TglError: No source has all files. The message lists the error of each source.
    """
    table = Path(settings.sources) if settings.sources else SHIPPED
    errors: list[str] = []
    with new_client(settings.contact) as client:
        failed: set[str] = set()
        for source in sources(table, settings, date):
            if source.name in failed:
                continue
            try:
                files = _files(client, source, settings.part, wait=wait)
                if not files:
                    raise Refused(f"{source.listing}: no such dump")
                if source.date != date:
                    say(f"{date}: using the nearest dump of {source.name}, which is of {source.date}")
                paths = _fetch_all(client, files, folder, say=say, wait=wait)
                return paths, {"source": source.name, "wanted": date, "found": source.date}
            except Refused as error:  # another date of this source may work
                errors.append(str(error))
            except TglError as error:
                errors.append(str(error))
                failed.add(source.name)
                say(f"{error}; trying the next source")
    raise TglError(
        f"{settings.wiki} of {date}: no source has all files.\n" + "\n".join(f"- {line}" for line in errors)
    )


def _files(
    client: httpx.Client, source: Source, part: str, *, wait: Callable[[float], None]
) -> list[RemoteFile]:
    if source.listing is None:
        return list(source.files)
    if source.listing.endswith(f"/{SUMS}"):  # complete only with this empty file
        get_text(client, source.listing.removesuffix(SUMS) + "_SUCCESS", _MOST_STATUS_BYTES, wait=wait)
    return listed(source.listing, get_text(client, source.listing, _MOST_STATUS_BYTES, wait=wait), part)


def _fetch_all(
    client: httpx.Client,
    files: list[RemoteFile],
    folder: Path,
    *,
    say: Callable[[str], None],
    wait: Callable[[float], None],
) -> list[Path]:
    found = []
    for file in files:
        with _progress(file) as progress:
            found.append(fetch(client, file, folder, say=say, progress=progress, wait=wait))
    return found


@contextmanager
def _progress(file: RemoteFile) -> Iterator[Callable[[int], None]]:
    """Yield a function that updates a progress bar with the bytes received; without a terminal it does nothing."""
    if not sys.stderr.isatty():
        yield lambda received: None
        return
    columns = (
        "{task.description}",
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(file.name, total=file.size)
        yield lambda received: bar.update(task, completed=received)
