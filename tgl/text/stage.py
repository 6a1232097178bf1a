"""Stages `tokenizer` and `pack`: train or copy the tokenizer, and pack tokens into blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tgl.core.errors import TglError
from tgl.core.progress import track
from tgl.core.tables.read import check_table, iter_rows
from tgl.models.tokenizer import load_tokenizer, train_tokenizer
from tgl.text.documents import diff_documents, page_documents
from tgl.text.settings import TokensConfig
from tgl.text.tokens import write_blocks

if TYPE_CHECKING:
    from tgl.text.withheld import Withheld

_COLUMNS = ["page_id", "text"]


def write_tokenizer(
    pages: Iterable[str | Path],
    settings: TokensConfig,
    holdout_share: float,
    *,
    output: Path,
    without: Callable[[str], str] = str,
) -> None:
    """Write a tokenizer: train one on the training part of the base text, or copy the configured one.

    Args:
        pages: The tables `pages` of the base text.
        settings: The section `tokens` of the configuration.
        holdout_share: The share of held-out pages.
        output: The folder to write.
        without: Removes from a text what must not be trained on.
    """
    if settings.tokenizer is not None:
        load_tokenizer(settings.tokenizer).save_pretrained(output)
        return

    def texts() -> Iterator[str]:
        for path in pages:
            for part, text in page_documents(iter_rows(path, "pages", _COLUMNS), holdout_share, without):
                if part == "train":
                    yield text

    train_tokenizer(texts(), settings.vocab_size, output)


def write_packed(
    tables: Iterable[str | Path],
    kind: str,
    output: str | Path,
    *,
    tokenizer: str | Path,
    block_size: int,
    holdout_share: float,
    withheld: Withheld | None = None,
) -> None:
    """Tokenise and pack tables into one table `tokens`; memory does not grow with their number or size.

    Args:
        tables: The tables, in order.
        kind: The kind of the tables, 'pages' or 'diff'.
        output: The table to write.
        tokenizer: The folder of the tokenizer.
        block_size: The tokens in a block.
        holdout_share: The share of held-out pages.
        withheld: Removes from a text what must not be trained on. Its counts are stored in the table.

    Raises:
        TglError: The kind is unknown, or there is no training text.
    """
    without, counts = (withheld, withheld.counts) if withheld else (str, None)
    if kind not in ("pages", "diff"):
        raise TglError(f"--kind: found '{kind}', expected pages or diff")
    documents = page_documents if kind == "pages" else diff_documents

    def all_documents() -> Iterator[tuple[str, str]]:
        for path in tables:
            rows = track(
                iter_rows(path, kind, _COLUMNS), f"tokens of {path}", "rows", total=check_table(path, kind)
            )
            yield from documents(rows, holdout_share, without)

    write_blocks(all_documents(), load_tokenizer(tokenizer), block_size, output=output, more_counts=counts)
