"""Subcommands on text: base-text, diff, tokenizer, pack."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tgl.cli.command import command, say
from tgl.cli.inputs import Checked
from tgl.cli.options import TextKeys
from tgl.cli.sections import Keys
from tgl.core.errors import TglError
from tgl.text.settings import TextConfig, TokensConfig

Withhold = Annotated[
    Path | None, typer.Option(help="Table `probes` whose set `snapshots` is left out of the training text.")
]


@command("base-text")
def base_text(
    source: Annotated[
        Path, typer.Argument(help="File of documents {id, title, text}: JSON lines, CSV or Parquet.")
    ],
    output: Annotated[Path, typer.Option(help="Table `pages` to write.")],
    settings: Annotated[TextConfig, Keys("text", only=("max_characters",))],
) -> None:
    """Turn a file of documents {id, title, text} into a table `pages` for a base model."""
    Checked().file("documents {id, title, text}", source).output(output)
    from tgl.text.base_text import write_base_text

    say(str(write_base_text(source, output, settings.max_characters)))


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


@command("tokenizer")
def tokenizer(
    pages: Annotated[list[Path], typer.Argument(help="Tables `pages` of the base text.")],
    output: Annotated[Path, typer.Option(help="Folder that gets the tokenizer.")],
    settings: Annotated[TokensConfig, Keys("tokens", unused=("block_size",))],
    text: TextKeys,
    withhold: Withhold = None,
) -> None:
    """Train the tokenizer on the base text, or copy the configured one."""
    given = Checked().table("pages", *pages).table("probes", withhold, rows=False)
    given.tokenizer(settings.tokenizer).model_folder(output)
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
    text: TextKeys,
    withhold: Withhold = None,
    withheld: Annotated[
        Path | None, typer.Option(help="Table `withheld` to write: what was left out because of --withhold.")
    ] = None,
) -> None:
    """Tokenise base text or new sentences, and pack them into blocks."""
    if kind not in ("pages", "diff"):
        raise TglError(f"--kind: found '{kind}', expected pages or diff")
    given = Checked().table(kind, *tables, rows=kind == "pages").table("probes", withhold, rows=False)
    given.tokenizer(tokenizer).output(*filter(None, [output, withheld]))
    from tgl.core.tables.write import write_table
    from tgl.text.stage import write_packed

    without = _withheld(withhold, text.language, keep=withheld is not None)
    write_packed(
        tables,
        kind,
        output,
        tokenizer=tokenizer,
        block_size=settings.block_size,
        holdout_share=text.holdout_share,
        withheld=without,
    )
    if withheld:
        write_table(without.rows() if without else [], withheld, "withheld")
    if without:
        say(str(without.counts))


def _withheld(probes: Path | None, language: str, *, keep: bool = False):
    if probes is None:
        return None
    from tgl.text.withheld import Withheld

    return Withheld(probes, language, keep=keep)
