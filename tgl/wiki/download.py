"""Fetch one dump date from the first of its sources that has it whole."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

from tgl.config import WikimediaConfig
from tgl.errors import TglError
from tgl.wiki.fetch import Refused, fetch, get_text, new_client
from tgl.wiki.sources import SHIPPED, RemoteFile, Source, listed, sources

_MOST_STATUS_BYTES = 64 << 20  # English Wikipedia's dumpstatus.json has a hundredth of it


def download_dump(
    settings: WikimediaConfig,
    date: str,
    folder: Path,
    say: Callable[[str], None] = print,
    wait: Callable[[float], None] = time.sleep,
) -> tuple[list[Path], dict[str, str]]:
    """Download the dump files of `settings.part` at `date` into `folder`; return (paths, where they came from).

    Sources are tried in the table's order; of a listing, the nearest dump date too. Each file must have the size and
    checksum that its source publishes; one already there that has both is kept. Raises TglError naming what each
    source said when none has it whole; no partial file carries a final name.
    """
    table = Path(settings.sources) if settings.sources else SHIPPED
    said: list[str] = []
    with new_client(settings.contact) as client:
        given_up: set[str] = set()
        for source in sources(table, settings, date):
            if source.name in given_up:
                continue
            try:
                files = _files(client, source, settings.part, wait)
                if not files:
                    raise Refused(f"{source.listing}: no such dump")
                if source.date != date:
                    say(f"{date}: the nearest dump of {source.name} is of {source.date}")
                paths = _fetch_all(client, files, folder, say, wait)
                return paths, {"source": source.name, "wanted": date, "found": source.date}
            except Refused as error:  # its next date may do
                said.append(str(error))
            except TglError as error:
                said.append(str(error))
                given_up.add(source.name)
                say(f"{error}; trying the next source")
    raise TglError(
        f"{settings.wiki} of {date}: no source has it whole.\n" + "\n".join(f"- {line}" for line in said)
    )


def _files(
    client: httpx.Client, source: Source, part: str, wait: Callable[[float], None]
) -> list[RemoteFile]:
    if source.listing is None:
        return list(source.files)
    return listed(source.listing, get_text(client, source.listing, _MOST_STATUS_BYTES, wait), part)


def _fetch_all(
    client: httpx.Client,
    files: list[RemoteFile],
    folder: Path,
    say: Callable[[str], None],
    wait: Callable[[float], None],
) -> list[Path]:
    found = []
    for file in files:
        with _progress(file) as progress:
            found.append(fetch(client, file, folder, say, progress, wait))
    return found


@contextmanager
def _progress(file: RemoteFile) -> Iterator[Callable[[int], None]]:
    """Yield what a progress bar is told the bytes received by; there is none where nobody looks."""
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
