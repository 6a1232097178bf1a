"""Stages `tokenizer` and `pack`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from tgl.config import TokensConfig
from tgl.errors import TglError
from tgl.tables import iter_rows
from tgl.text.documents import diff_documents, page_documents
from tgl.text.tokens import load_tokenizer, train_tokenizer, write_blocks

_COLUMNS = ["page_id", "text"]


def write_tokenizer(
    pages: Iterable[str | Path],
    settings: TokensConfig,
    holdout_share: float,
    output: Path,
    without: Callable[[str], str] = str,
) -> None:
    """Train a tokenizer on the training part of the base text, or copy the configured one, into `output`.

    without: takes out of a text what must not be trained on.
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
    tokenizer: str | Path,
    block_size: int,
    holdout_share: float,
    output: str | Path,
    without: Callable[[str], str] = str,
    counts: Mapping[str, int] | None = None,
) -> None:
    """Tokenise and pack tables of kind 'pages' or 'diff', one after the other; memory does not grow with them.

    without: takes out of a text what must not be trained on; `counts`, which it keeps, are stored with the table's.
    """
    if kind not in ("pages", "diff"):
        raise TglError(f"--kind: '{kind}' found, pages or diff expected")
    documents = page_documents if kind == "pages" else diff_documents

    def all_documents() -> Iterator[tuple[str, str]]:
        for path in tables:
            yield from documents(iter_rows(path, kind, _COLUMNS), holdout_share, without)

    write_blocks(all_documents(), load_tokenizer(tokenizer), block_size, output, counts)
