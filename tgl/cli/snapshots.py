"""Subcommands on snapshots: world, files, history, download, documents, pages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tgl.cli.command import command, say
from tgl.cli.inputs import Checked
from tgl.cli.options import OneDate, RisingDates, Root, checked_entry
from tgl.cli.sections import Keys
from tgl.config.files import data_path
from tgl.core.config_types import Section
from tgl.core.errors import TglError
from tgl.snapshots.extract.settings import PagesConfig
from tgl.snapshots.settings import DocumentsConfig, HistoryConfig, WorldConfig
from tgl.snapshots.source import SOURCES


@command("world")
def world(
    dates: RisingDates,
    output: Annotated[
        Path, typer.Option(help="Folder that gets DATE/dump, DATE/files.parquet and facts.parquet.")
    ],
    settings: Annotated[WorldConfig, Keys("snapshots.synthetic")],
) -> None:
    """Write the synthetic world as MediaWiki dumps, one for each date."""
    Checked().output_folder(output)
    from tgl.snapshots.catalogue import write_world

    write_world(
        settings,
        dates,
        [output / date / "dump" for date in dates],
        files=[output / date / "files.parquet" for date in dates],
        facts=output / "facts.parquet",
    )


@command("files")
def files(
    dumps: Annotated[list[Path], typer.Argument(help="Dump files: .xml, .bz2 or .7z.")],
    output: Annotated[Path, typer.Option(help="Table `files` to write.")],
) -> None:
    """List dump files (path, size, SHA-1) as the table `files`."""
    Checked().file("a dump file", *dumps).output(output)
    from tgl.snapshots.catalogue import write_files

    write_files(dumps, output)


@command("history")
def history(
    file: Annotated[Path, typer.Argument(help="A full history: .xml, .bz2 or .7z.")],
    dates: RisingDates,
    output: Annotated[Path, typer.Option(help="Folder that gets DATE/dump/NAME.xml.bz2.")],
    settings: Annotated[HistoryConfig, Keys("snapshots.history", unused=("pattern",))],
    more: Annotated[
        list[Path] | None,
        typer.Option(help="A file with more revisions of the one page of FILE; can be given several times."),
    ] = None,
) -> None:
    """Write the dump of each date from a full history of a wiki."""
    Checked().file("a full history: .xml, .bz2 or .7z", file, *(more or [])).output_folder(output)
    from tgl.snapshots.full_history.history import write_snapshots

    write_snapshots(file, dates, output, more=more or (), settings=settings, say=say)


@command("download")
def download(
    date: OneDate,
    folder: Annotated[Path, typer.Option(help="Folder that gets the dump files.")],
    output: Annotated[Path, typer.Option(help="Table `files` to write.")],
    settings: Annotated[Section | None, Keys("snapshots", entries=SOURCES, entry="source")],
    source: Annotated[
        str, typer.Option(help="Source of the dumps, such as wikimedia.", callback=checked_entry(SOURCES))
    ] = "wikimedia",
) -> None:
    """Download the dump of one date, verify it, and list its files.

    The settings are those of the source: --set snapshots.wikimedia.contact=ADDRESS is required for wikimedia.
    """
    found = SOURCES.get(source)
    if found.fetch is None:
        raise TglError(
            f"--source: '{source}' has no files to fetch; expected a source of files, such as wikimedia"
        )
    given = Checked()
    if source == "wikimedia":
        given.file("a table of dump sources", settings.sources)
    given.output_folder(folder).output(output)
    from tgl.snapshots.catalogue import write_files

    folder.mkdir(parents=True, exist_ok=True)
    paths, about = found.fetch(settings, date, folder, say=say)
    write_files(paths, output, about)


@command("documents")
def documents(
    date: OneDate,
    pages: Annotated[Path, typer.Option(help="Table `pages` to write.")],
    files: Annotated[Path, typer.Option(help="Table `files` to write: what was read.")],
    settings: Annotated[DocumentsConfig, Keys("snapshots.documents", unused=("collections",))],
    root: Root,
    collection: Annotated[
        str | None,
        typer.Option(
            help="File or folder; with --dataset a configuration of it, with --repository a revision of it.",
            metavar="PLACE",
        ),
    ] = None,
) -> None:
    """Write the documents of one date as the table `pages`.

    A collection is a file (JSON lines, CSV or Parquet), a folder of such files or of .txt, .md and .html files, a
    Hugging Face dataset, or a git repository at a revision.
    """
    if settings.repository is not None:
        settings = settings.model_copy(update={"repository": data_path(root.data_root, settings.repository)})
    Checked().output(pages).output(files)
    from tgl.snapshots.documents.stage import write_documents

    say(str(write_documents(settings, date, place=collection, pages=pages, files=files)))


@command("pages")
def pages(
    files: Annotated[Path, typer.Argument(help="Table `files` of the date.")],
    output: Annotated[Path, typer.Option(help="Table `pages` to write.")],
    settings: Annotated[PagesConfig, Keys("pages")],
    shard: Annotated[int, typer.Option(help="Number of the shard, from 0.", min=0)] = 0,
    previous: Annotated[
        Path | None,
        typer.Option(help="Table `pages` of the same shard at the date before, to reuse its text."),
    ] = None,
    processes: Annotated[int, typer.Option(help="Processes that clean pages.", min=1, max=1024)] = 1,
) -> None:
    """Extract clean text, links and sections of one shard of a snapshot."""
    Checked().table("files", files).table("pages", previous, rows=False).output(output)
    from tgl.snapshots.catalogue import dump_paths
    from tgl.snapshots.extract.pages import extract_pages, shard_range

    found = shard_range(shard, settings.shards, settings.pages_per_shard)
    dumps = dump_paths(files, found.first, found.last)
    say(
        str(
            extract_pages(
                dumps, output, found, previous=previous, settings=settings, processes=processes, say=say
            )
        )
    )
