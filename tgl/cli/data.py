"""Subcommands of the data half: snapshots, pages, diff, probes, tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tgl import config as sections
from tgl import config_probes
from tgl.cli.app import Config, Paths, command, say
from tgl.cli.inputs import Checked
from tgl.cli.options import HoldoutShare, OneDate, Period, RisingDates, TextLanguage
from tgl.config_check import load_config, load_section
from tgl.config_files import check_folder, missing_files, missing_models
from tgl.errors import TglError

_TEXT = sections.TextConfig()
Withhold = Annotated[
    Path | None, typer.Option(help="Probes: the sentences of set `snapshots` are left out of training text.")
]


@command("check")
def check(file: Annotated[Path, typer.Argument(help="A configuration, as config.yaml.")]) -> None:
    """Check a configuration file and say everything that is wrong with it."""
    config = load_config(file)
    check_folder(config.experiment)
    missing = list(missing_models(config))
    if config.data_root is not None and not Path(config.data_root).is_dir():
        say(f"data_root: '{config.data_root}' is not there; the files below it are not checked")
    else:
        missing += missing_files(config)
    if missing:
        raise TglError("\n  - ".join([f"{file}: {len(missing)} missing", *missing]))
    say(f"{file}: valid")


@command("world")
def world(
    dates: RisingDates,
    output: Annotated[Path, typer.Option(help="Folder: <date>/dump, <date>/files.parquet, facts.parquet.")],
    config: Config = "{}",
) -> None:
    """Write the synthetic world as MediaWiki dumps, one a date."""
    settings = load_section(sections.WorldConfig, config)
    Checked().output_folder(output)
    from tgl.wiki.catalogue import write_world

    write_world(
        settings,
        dates,
        [output / date / "dump" for date in dates],
        [output / date / "files.parquet" for date in dates],
        output / "facts.parquet",
    )


@command("files")
def files(dumps: Paths, output: Annotated[Path, typer.Option()]) -> None:
    """List dump files (path, size, SHA-1) as the table `files`."""
    Checked().file("a dump file", *dumps).output(output)
    from tgl.wiki.catalogue import write_files

    write_files(dumps, output)


@command("history")
def history(
    file: Annotated[Path, typer.Argument(help="A full history: .xml, .bz2 or .7z.")],
    dates: RisingDates,
    output: Annotated[Path, typer.Option(help="Folder: <date>/dump/<name>.xml.bz2.")],
    config: Config = "{}",
) -> None:
    """Write the dump of each date out of one full history of a wiki, in one reading."""
    settings = load_section(sections.HistoryConfig, config)
    Checked().file("a full history: .xml, .bz2 or .7z", file).output_folder(output)
    from tgl.wiki.history import write_snapshots

    write_snapshots(file, dates, output, settings, say)


@command("download")
def download(
    date: OneDate,
    folder: Annotated[Path, typer.Option(help="Where the dump files go.")],
    output: Annotated[Path, typer.Option(help="The table `files`.")],
    config: Config = "{}",
) -> None:
    """Download the dump of one date, verify it, and list its files."""
    settings = load_section(sections.WikimediaConfig, config)
    Checked().file("a table of dump sources", settings.sources).output_folder(folder).output(output)
    from tgl.wiki.catalogue import write_files
    from tgl.wiki.download import download_dump

    paths, about = download_dump(settings, date, folder, say)
    write_files(paths, output, about)


@command("pages")
def pages(
    files: Annotated[Path, typer.Argument(help="The table `files` of the date.")],
    output: Annotated[Path, typer.Option()],
    shard: Annotated[int, typer.Option(help="Number of the shard, from 0.", min=0)] = 0,
    previous: Annotated[Path | None, typer.Option(help="The same shard of the date before.")] = None,
    processes: Annotated[int, typer.Option(help="Processes that clean pages.", min=1, max=1024)] = 1,
    config: Config = "{}",
) -> None:
    """Extract clean text, links and sections of one shard of a snapshot."""
    settings = load_section(sections.PagesConfig, config)
    Checked().table("files", files).table("pages", previous, rows=False).output(output)
    from tgl.wiki.catalogue import dump_paths
    from tgl.wiki.pages import extract_pages, shard_range

    found = shard_range(shard, settings.shards, settings.pages_per_shard)
    dumps = dump_paths(files, found.first, found.last)
    say(str(extract_pages(dumps, output, found, previous, settings, processes, say)))


@command("base-text")
def base_text(source: Path, output: Annotated[Path, typer.Option()], config: Config = "{}") -> None:
    """Turn JSON lines {id, title, text} into a table `pages`, to pretrain a base model on."""
    most = load_section(sections.TextConfig, config).max_characters
    Checked().file("lines of {id, title, text}", source).output(output)
    from tgl.text.documents import json_lines_to_pages

    json_lines_to_pages(source, output, most)


@command("diff")
def diff(old: Path, new: Path, output: Annotated[Path, typer.Option()], config: Config = "{}") -> None:
    """Find the new and changed sentences between two tables `pages`."""
    settings = load_section(sections.TextConfig, config)
    Checked().table("pages", old, new, rows=False).output(output)
    from tgl.diff.snapshots import diff_pages

    say(str(diff_pages(old, new, output, settings.language, settings.diff_rule)))


@command("probes")
def probes(
    dates: RisingDates,
    base_pages: Annotated[list[Path], typer.Option(help="Tables `pages` of the base text.")],
    output: Annotated[Path, typer.Option()],
    facts: Annotated[Path | None, typer.Option(help="The synthetic world's table `facts`.")] = None,
    wikidata: Annotated[Path | None, typer.Option(help="What tgl wikidata wrote for the dates.")] = None,
    snapshots: Annotated[list[Path] | None, typer.Option(help="Tables of snapshot-probes.")] = None,
    holdout_share: HoldoutShare = _TEXT.holdout_share,
    config: Config = "{}",
) -> None:
    """Write the salient spans of every configured set."""
    settings = load_section(sections.ProbesConfig, config)
    tables = snapshots or ()
    given = Checked().table("pages", *base_pages).table("probes", *tables, rows=False)
    given.table("facts", facts).file("what tgl wikidata writes", wikidata)
    if "templama" in settings.sets:
        given.file("a file of TempLAMA", settings.templama.file)
    if "ecbd" in settings.sets:
        given.file("a file of ECBD", *settings.ecbd.files)
    given.output(output)
    from tgl.probes.stage import write_probes

    write_probes(settings, dates, holdout_share, base_pages, facts, output, wikidata, tables)


@command("wikidata")
def wikidata(
    file: Annotated[Path, typer.Argument(help="An entity dump, or the saved answer of a SPARQL service.")],
    dates: RisingDates,
    output: Annotated[Path, typer.Option(help="JSON lines, as Dynamic TempLAMA publishes them.")],
    config: Config = "{}",
) -> None:
    """Write what held at each date according to Wikidata, as queries with their answers."""
    settings = load_section(config_probes.WikidataConfig, config)
    given = Checked().file("an entity dump, or the answer of a SPARQL service", file)
    given.file("a table of templates", settings.templates).output(output)
    from tgl.probes.wikidata import write_wikidata

    say(str(dict(write_wikidata(file, dates, settings, output))))


@command("snapshot-probes")
def snapshot_probes(
    old: Path,
    new: Path,
    diff: Annotated[Path, typer.Argument(help="What is new in `new`.")],
    period: Period,
    base_pages: Annotated[list[Path], typer.Option(help="Tables `pages` of the base text.")],
    output: Annotated[Path, typer.Option()],
    language: TextLanguage = _TEXT.language,
    holdout_share: HoldoutShare = _TEXT.holdout_share,
    config: Config = "{}",
) -> None:
    """Find salient spans in the sentences of one shard of two snapshots."""
    settings = load_section(sections.ProbesConfig, config)
    given = Checked().table("pages", *base_pages).table("pages", old, new, rows=False)
    given.table("diff", diff, rows=False).output(output)
    from tgl.probes.phrases import load_pipeline
    from tgl.probes.snapshots import Tables, write_snapshot_probes

    load_pipeline(settings.snapshots.pipeline)  # a missing one is reported before the tables are read
    tables = Tables(old, new, diff, tuple(base_pages))
    say(str(dict(write_snapshot_probes(tables, period, settings, language, holdout_share, output))))


@command("tokenizer")
def tokenizer(
    pages: Paths,
    output: Annotated[Path, typer.Option(help="Folder.")],
    holdout_share: HoldoutShare = _TEXT.holdout_share,
    withhold: Withhold = None,
    language: TextLanguage = _TEXT.language,
    config: Config = "{}",
) -> None:
    """Train a tokenizer on the base text, or put the configured one into the folder."""
    settings = load_section(sections.TokensConfig, config)
    given = Checked().table("pages", *pages).table("probes", withhold, rows=False)
    given.tokenizer(settings.tokenizer).output_folder(output)
    from tgl.text.stage import write_tokenizer

    without = _withheld(withhold, language)
    write_tokenizer(pages, settings, holdout_share, output, without or str)
    if without:
        say(str(without.counts))


@command("pack")
def pack(
    tables: Paths,
    kind: Annotated[str, typer.Option(help="What the tables are: pages or diff.")],
    tokenizer: Annotated[Path, typer.Option(help="Folder of the tokenizer.")],
    output: Annotated[Path, typer.Option()],
    holdout_share: HoldoutShare = _TEXT.holdout_share,
    withhold: Withhold = None,
    language: TextLanguage = _TEXT.language,
    config: Config = "{}",
) -> None:
    """Tokenise text and pack it into blocks."""
    block_size = load_section(sections.TokensConfig, config).block_size
    if kind not in ("pages", "diff"):
        raise TglError(f"--kind: '{kind}' found, pages or diff expected")
    given = Checked().table(kind, *tables, rows=kind == "pages").table("probes", withhold, rows=False)
    given.tokenizer(tokenizer).output(output)
    from tgl.text.stage import write_packed

    without = _withheld(withhold, language)
    counts = without and without.counts
    write_packed(tables, kind, tokenizer, block_size, holdout_share, output, without or str, counts)
    if without:
        say(str(counts))


def _withheld(probes: Path | None, language: str):
    if probes is None:
        return None
    from tgl.text.withheld import Withheld

    return Withheld(probes, language)
