"""Subcommands on probes: probes, wikidata, snapshot-probes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tgl.cli.command import command, say
from tgl.cli.inputs import Checked
from tgl.cli.options import Period, RisingDates, Root, TextKeys
from tgl.cli.sections import Keys
from tgl.config.files import data_files, data_path, located
from tgl.probes.probe_set import PROBE_SETS
from tgl.probes.settings import ProbesConfig, WikidataConfig
from tgl.text.settings import TextConfig

BasePages = Annotated[
    list[Path], typer.Option(help="Table `pages` of the base text. Can be given several times.")
]


@command("probes")
def probes(
    dates: RisingDates,
    base_pages: BasePages,
    output: Annotated[Path, typer.Option(help="Table `probes` to write.")],
    settings: Annotated[ProbesConfig, Keys("probes")],
    text: Annotated[TextConfig, Keys("text", only=("holdout_share",), given=None)],
    root: Root,
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
    tables, settings = snapshots or [], located(settings, root.data_root)
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
    settings: Annotated[WikidataConfig, Keys("probes.wikidata", without=("templates",), unused=("file",))],
    root: Root,
) -> None:
    """Write what Wikidata states at each date, as queries with answers."""
    if settings.templates is not None:
        settings = settings.model_copy(update={"templates": data_path(root.data_root, settings.templates)})
    given = Checked().file("an entity dump, or the answer of a SPARQL service", file)
    given.file("a table of templates", settings.templates).output(output)
    from tgl.probes.sets.wikidata import write_wikidata

    say(str(dict(write_wikidata(file, dates, settings, output=output, say=say))))


@command("snapshot-probes")
def snapshot_probes(
    old: Annotated[Path, typer.Argument(help="Table `pages` of the earlier date.")],
    new: Annotated[Path, typer.Argument(help="Table `pages` of the later date.")],
    diff: Annotated[Path, typer.Argument(help="Table `diff` between OLD and NEW.")],
    period: Period,
    base_pages: BasePages,
    output: Annotated[Path, typer.Option(help="Table `probes` to write.")],
    settings: Annotated[ProbesConfig, Keys("probes")],
    text: TextKeys,
) -> None:
    """Find salient spans in the new sentences of one shard of two snapshots."""
    given = Checked().table("pages", *base_pages).table("pages", old, new, rows=False)
    given.table("diff", diff, rows=False).output(output)
    from tgl.probes.from_text.phrases import load_pipeline
    from tgl.probes.from_text.shard import Tables
    from tgl.probes.sets.snapshots import write_snapshot_probes

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
