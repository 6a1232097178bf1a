"""Subcommands of the data half: snapshots, pages, diff, probes, tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tgl.cli.command import command, say
from tgl.cli.inputs import Checked
from tgl.cli.options import OneDate, Period, RisingDates, checked_entry
from tgl.cli.sections import Keys
from tgl.config.files import data_files
from tgl.core.config_types import Section
from tgl.core.errors import TglError
from tgl.probes.probe_set import PROBE_SETS
from tgl.probes.settings import ProbesConfig, WikidataConfig
from tgl.snapshots.extract.settings import PagesConfig
from tgl.snapshots.settings import HistoryConfig, WorldConfig
from tgl.snapshots.source import SOURCES
from tgl.text.settings import TextConfig, TokensConfig

Text = Annotated[TextConfig, Keys("text", only=("holdout_share", "language"), given=None)]
Withhold = Annotated[
    Path | None, typer.Option(help="Table `probes` whose set `snapshots` is left out of the training text.")
]
BasePages = Annotated[
    list[Path], typer.Option(help="Table `pages` of the base text. Can be given several times.")
]


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
    settings: Annotated[HistoryConfig, Keys("snapshots.history", without=("pattern",))],
) -> None:
    """Write the dump of each date from a full history of a wiki."""
    Checked().file("a full history: .xml, .bz2 or .7z", file).output_folder(output)
    from tgl.snapshots.full_history.history import write_snapshots

    write_snapshots(file, dates, output, settings=settings, say=say)


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


@command("base-text")
def base_text(
    source: Annotated[Path, typer.Argument(help="File of JSON lines {id, title, text}.")],
    output: Annotated[Path, typer.Option(help="Table `pages` to write.")],
    settings: Annotated[TextConfig, Keys("text", only=("max_characters",))],
) -> None:
    """Turn JSON lines {id, title, text} into a table `pages` for a base model."""
    Checked().file("lines of {id, title, text}", source).output(output)
    from tgl.text.documents import json_lines_to_pages

    json_lines_to_pages(source, output, settings.max_characters)


@command("diff")
def diff(
    old: Annotated[Path, typer.Argument(help="Table `pages` of the earlier date.")],
    new: Annotated[Path, typer.Argument(help="Table `pages` of the later date.")],
    output: Annotated[Path, typer.Option(help="Table `diff` to write.")],
    settings: Annotated[TextConfig, Keys("text", only=("language", "diff_rule"))],
) -> None:
    """Find the new and changed sentences between two tables `pages`."""
    Checked().table("pages", old, new, rows=False).output(output)
    from tgl.text.diff.stage import diff_pages

    say(str(diff_pages(old, new, output, language=settings.language, rule=settings.diff_rule)))


@command("probes")
def probes(
    dates: RisingDates,
    base_pages: BasePages,
    output: Annotated[Path, typer.Option(help="Table `probes` to write.")],
    settings: Annotated[ProbesConfig, Keys("probes")],
    text: Annotated[TextConfig, Keys("text", only=("holdout_share",), given=None)],
    facts: Annotated[
        Path | None, typer.Option(help="Table `facts` of the synthetic world, for the set world.")
    ] = None,
    counterfactual: Annotated[
        Path | None,
        typer.Option(help="Probes that `tgl counterfactual` writes, for the set counterfactual."),
    ] = None,
    wikidata: Annotated[
        Path | None, typer.Option(help="Output of `tgl wikidata` for the dates, for the set wikidata.")
    ] = None,
    snapshots: Annotated[
        list[Path] | None,
        typer.Option(
            help="Output of `tgl snapshot-probes`, for the set snapshots. Can be given several times."
        ),
    ] = None,
) -> None:
    """Write the probes of every configured set: sentences with a salient span.

    The key probes.sets names the sets.
    """
    tables = snapshots or []
    given = Checked().table("pages", *base_pages).table("probes", *tables, rows=False)
    given.table("facts", facts).table("probes", counterfactual).file("what tgl wikidata writes", wikidata)
    for name in settings.sets:
        if PROBE_SETS.get(name).needs is None:
            given.file(f"a file of the set '{name}'", *data_files(settings, name))
    given.output(output)
    from tgl.probes.stage import write_probes

    files = {
        "world": [facts] if facts else [],
        "counterfactual": [counterfactual] if counterfactual else [],
        "wikidata": [wikidata] if wikidata else [],
        "snapshots": tables,
    }
    write_probes(
        settings, dates, output, holdout_share=text.holdout_share, base_pages=base_pages, files=files
    )


@command("wikidata")
def wikidata(
    file: Annotated[Path, typer.Argument(help="An entity dump, or the saved answer of a SPARQL service.")],
    dates: RisingDates,
    output: Annotated[Path, typer.Option(help="JSON lines to write, in the format of Dynamic TempLAMA.")],
    settings: Annotated[WikidataConfig, Keys("probes.wikidata", without=("file", "templates"))],
) -> None:
    """Write what Wikidata states at each date, as queries with answers."""
    given = Checked().file("an entity dump, or the answer of a SPARQL service", file)
    given.file("a table of templates", settings.templates).output(output)
    from tgl.probes.sets.wikidata import write_wikidata

    say(str(dict(write_wikidata(file, dates, settings, output=output))))


@command("snapshot-probes")
def snapshot_probes(
    old: Annotated[Path, typer.Argument(help="Table `pages` of the earlier date.")],
    new: Annotated[Path, typer.Argument(help="Table `pages` of the later date.")],
    diff: Annotated[Path, typer.Argument(help="Table `diff` between OLD and NEW.")],
    period: Period,
    base_pages: BasePages,
    output: Annotated[Path, typer.Option(help="Table `probes` to write.")],
    settings: Annotated[ProbesConfig, Keys("probes")],
    text: Text,
) -> None:
    """Find salient spans in the new sentences of one shard of two snapshots."""
    given = Checked().table("pages", *base_pages).table("pages", old, new, rows=False)
    given.table("diff", diff, rows=False).output(output)
    from tgl.probes.from_text.phrases import load_pipeline
    from tgl.probes.sets.snapshots import Tables, write_snapshot_probes

    load_pipeline(settings.snapshots.pipeline)  # a missing one is reported before the tables are read
    tables = Tables(old, new, diff, tuple(base_pages))
    say(
        str(
            dict(
                write_snapshot_probes(
                    tables,
                    period,
                    settings,
                    language=text.language,
                    holdout_share=text.holdout_share,
                    output=output,
                )
            )
        )
    )


@command("tokenizer")
def tokenizer(
    pages: Annotated[list[Path], typer.Argument(help="Tables `pages` of the base text.")],
    output: Annotated[Path, typer.Option(help="Folder that gets the tokenizer.")],
    settings: Annotated[TokensConfig, Keys("tokens", without=("block_size",))],
    text: Text,
    withhold: Withhold = None,
) -> None:
    """Train the tokenizer on the base text, or copy the configured one."""
    given = Checked().table("pages", *pages).table("probes", withhold, rows=False)
    given.tokenizer(settings.tokenizer).output_folder(output)
    from tgl.text.stage import write_tokenizer

    without = _withheld(withhold, text.language)
    write_tokenizer(pages, settings, text.holdout_share, output=output, without=without or str)
    if without:
        say(str(without.counts))


@command("pack")
def pack(
    tables: Annotated[
        list[Path], typer.Argument(help="Tables `pages` of the base text, or `diff` of a period.")
    ],
    kind: Annotated[str, typer.Option(help="Kind of the tables.", metavar="pages|diff")],
    tokenizer: Annotated[Path, typer.Option(help="Folder of the tokenizer.")],
    output: Annotated[Path, typer.Option(help="Table `tokens` to write.")],
    settings: Annotated[TokensConfig, Keys("tokens", only=("block_size",))],
    text: Text,
    withhold: Withhold = None,
) -> None:
    """Tokenise base text or new sentences, and pack them into blocks."""
    if kind not in ("pages", "diff"):
        raise TglError(f"--kind: found '{kind}', expected pages or diff")
    given = Checked().table(kind, *tables, rows=kind == "pages").table("probes", withhold, rows=False)
    given.tokenizer(tokenizer).output(output)
    from tgl.text.stage import write_packed

    without = _withheld(withhold, text.language)
    write_packed(
        tables,
        kind,
        output,
        tokenizer=tokenizer,
        block_size=settings.block_size,
        holdout_share=text.holdout_share,
        withheld=without,
    )
    if without:
        say(str(without.counts))


def _withheld(probes: Path | None, language: str):
    if probes is None:
        return None
    from tgl.text.withheld import Withheld

    return Withheld(probes, language)
