"""Read plain text of any common kind as one stream of tokens.

A table `tokens` is used directly. Hugging Face datasets reads text files (.txt, one document each), JSON lines (.json,
.jsonl) and Parquet files with a column `text`, such as the table `pages`. All of these may be compressed (.gz, .xz,
.bz2, .zst).
"""

from __future__ import annotations

import glob
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from tgl.core.errors import TglError
from tgl.core.files import check_file
from tgl.text.tokens import check_packed, num_special, read_stream

MAX_TOKENS = 1_000_000  # reading stops here, which is enough to sample windows and spans
_BUILDERS = {".txt": "text", ".json": "json", ".jsonl": "json", ".parquet": "parquet"}
_COMPRESSED = (".gz", ".xz", ".bz2", ".zst")


def tokens_of(
    corpus: str | Path | np.ndarray | Sequence[int], tokenizer: PreTrainedTokenizerBase, counts: Counter
) -> np.ndarray:
    """Return the tokens of plain text [num_tokens].

    Args:
        corpus: The path of a file for `read_corpus`, or token ids in one dimension.
        tokenizer: The tokenizer for a file.
        counts: Counters, updated in place.

    Raises:
        TglError: The token ids are not integers from 0 in one dimension, or the file cannot be read.
    """
    if isinstance(corpus, str | Path):
        return read_corpus(corpus, tokenizer, counts=counts)
    wanted = "expected a file, or token ids as integers from 0, in one dimension"
    try:
        found = np.asarray(corpus)
    except (ValueError, TypeError, RuntimeError) as error:  # ragged lists, or tensors that require gradients
        raise TglError(
            f"corpus: found {type(corpus).__name__} that is not an array ({error}); {wanted}"
        ) from None
    if found.ndim != 1:
        raise TglError(
            f"corpus: found {type(corpus).__name__} of shape {found.shape}; {wanted}. Flatten it first"
        )
    if not found.size:
        raise TglError(f"corpus: found {type(corpus).__name__} without a token; {wanted}")
    if not np.issubdtype(found.dtype, np.integer):
        hint = " Write texts to a file of JSON lines" if found.dtype.kind in "UO" else ""
        raise TglError(f"corpus: found {type(corpus).__name__} of {found.dtype}; {wanted}.{hint}")
    if found.min() < 0 or found.max() > np.iinfo(np.int64).max:
        raise TglError(f"corpus: found token ids from {found.min()} to {found.max()}; {wanted}")
    return found if np.can_cast(found.dtype, np.int64) else found.astype(np.int64)


def read_corpus(
    path: str | Path,
    tokenizer: PreTrainedTokenizerBase,
    most: int = MAX_TOKENS,
    *,
    counts: Counter | None = None,
) -> np.ndarray:
    """Return the tokens of a file, int32 [num_tokens], with an end-of-text token after each document.

    Args:
        path: The file.
        tokenizer: The tokenizer.
        most: Reading stops after the document that reaches this number of tokens.
        counts: Gets the number of documents that were skipped because their text is null or empty, and of special
            tokens in the text of others.

    Raises:
        TglError: The file is missing or of an unknown kind, its tokens are from another tokenizer, it has no column
            `text`, a text is not a string, or there is no text.
    """
    counts = Counter() if counts is None else counts
    path = Path(path)
    check_file(path, "plain text of the kind the model was pretrained on")
    if path.suffix == ".parquet" and _is_tokens(path):
        check_packed([path], tokenizer)
        return read_stream(path, "train")
    found: list[int] = []
    for text in _documents(path):
        if text is None:
            counts["text: documents skipped, text is null"] += 1
            continue
        if not text:
            counts["text: documents skipped, text is empty"] += 1
            continue
        ids = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        if special := num_special(ids, tokenizer):
            counts["text: special tokens in documents"] += special
        found += ids
        found.append(tokenizer.eos_token_id)
        if len(found) >= most:
            break
    if len(found) < 2:
        if counts["text: documents skipped, text is null"]:
            raise TglError(
                f"{path}: found null in the column 'text', or no text, in all {counts.total()} documents; expected "
                "strings"
            )
        raise TglError(f"{path}: no text found. Give a file with at least one document")
    return np.array(found, dtype=np.int32)


def _documents(path: Path) -> Iterator[str | None]:
    suffixes = [suffix for suffix in path.suffixes if suffix not in _COMPRESSED]
    builder = _BUILDERS.get(suffixes[-1]) if suffixes else None
    if builder is None:
        raise TglError(
            f"{path}: unknown kind of text, expected {', '.join(_BUILDERS)}, plain or compressed "
            f"({', '.join(_COMPRESSED)})"
        )
    from datasets import load_dataset  # takes a second to import

    whole = {"sample_by": "document"} if builder == "text" else {}
    try:
        # Load through a link with a plain name, because brackets or colons in a path would be read as a pattern or URL.
        with tempfile.TemporaryDirectory() as folder:
            packed = path.suffix in _COMPRESSED
            link = Path(folder, "text" + "".join(path.suffixes[-2:] if packed else path.suffixes[-1:]))
            link.symlink_to(path.resolve())
            files = glob.escape(str(link))
            rows = load_dataset(builder, data_files=files, split="train", streaming=True, **whole)
            for number, row in enumerate(rows, 1):
                yield _text_of(row, path, number)
    except TglError:
        raise
    except Exception as error:  # each reader and each compression has its own exceptions
        raise TglError(f"{path}: cannot be read as {builder} ({type(error).__name__}: {error})") from None


def _text_of(row: dict, path: Path, number: int) -> str | None:
    if "text" not in row:
        raise TglError(f"{path}: found the columns {sorted(row)}, expected a column 'text' with strings")
    if not isinstance(row["text"], str | None):
        raise TglError(
            f"{path}: found {row['text']!r:.80} in row {number}, expected a column 'text' with strings"
        )
    # A byte order mark begins a file of text, and is no part of it.
    return row["text"].removeprefix("\ufeff") if number == 1 and row["text"] else row["text"]


def _is_tokens(path: Path) -> bool:
    try:
        return (pq.read_metadata(Path(path)).metadata or {}).get(b"tgl.table") == b"tokens"
    except (pa.ArrowInvalid, OSError) as error:
        raise TglError(f"{path}: not a readable Parquet file ({error})") from None
