"""Plain text of any usual kind as one stream of tokens.

A table `tokens` is taken as it is. Text files (.txt: one document each), JSON lines (.json, .jsonl) and Parquet with a
column `text` (the table `pages` too), also compressed (.gz, .xz, .bz2, .zst), are read by Hugging Face datasets.
"""

from __future__ import annotations

import glob
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from tgl.errors import TglError
from tgl.files import check_file
from tgl.tables import read_about
from tgl.text.tokens import read_stream, vocabulary_hash

MAX_TOKENS = 1_000_000  # enough to draw windows and spans from; reading stops there
_BUILDERS = {".txt": "text", ".json": "json", ".jsonl": "json", ".parquet": "parquet"}
_COMPRESSED = (".gz", ".xz", ".bz2", ".zst")


def read_corpus(path: str | Path, tokenizer: PreTrainedTokenizerBase, most: int = MAX_TOKENS) -> np.ndarray:
    """Return at most about `most` tokens of a file, int32 [num_tokens]; each document is ended by end-of-text.

    Raises TglError for a missing file, an unknown kind, tokens of another tokenizer, no column `text`, and no text
    at all.
    """
    path = Path(path)
    check_file(path, "plain text of the kind the model was pretrained on")
    if path.suffix == ".parquet" and _is_tokens(path):
        check_vocabulary(tokenizer, path)
        return read_stream(path, "train")
    found: list[int] = []
    for text in _documents(path):
        found += tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        found.append(tokenizer.eos_token_id)
        if len(found) >= most:
            break
    if len(found) < 2:
        raise TglError(f"{path}: no text found")
    return np.array(found, dtype=np.int32)


def check_vocabulary(tokenizer: PreTrainedTokenizerBase, *paths: str | Path) -> None:
    """Raise TglError where a table `tokens` was packed with another vocabulary than the tokenizer's."""
    expected = vocabulary_hash(tokenizer)
    for path in paths:
        packed = read_about(path).get("vocabulary_sha256")
        if packed is None:
            raise TglError(
                f"{path}: does not say with which tokenizer it was packed; expected a table that `tgl pack` wrote, "
                "pack the text again"
            )
        if packed != expected:
            raise TglError(
                f"{path}: packed with another tokenizer than this model's (vocabulary {str(packed)[:12]}, expected "
                f"{expected[:12]}); pack the text again with the model's own tokenizer"
            )


def _documents(path: Path) -> Iterator[str]:
    suffixes = [suffix for suffix in path.suffixes if suffix not in _COMPRESSED]
    builder = _BUILDERS.get(suffixes[-1]) if suffixes else None
    if builder is None:
        raise TglError(
            f"{path}: unknown kind of text; expected {', '.join(_BUILDERS)}, plain or compressed "
            f"({', '.join(_COMPRESSED)})"
        )
    from datasets import load_dataset  # takes a second to import

    whole = {"sample_by": "document"} if builder == "text" else {}
    try:
        # By a link of a plain name: brackets, colons and more in a path would be taken for a pattern or an address.
        with tempfile.TemporaryDirectory() as folder:
            link = Path(
                folder, "text" + "".join(path.suffixes[-2:] if _is_packed(path) else path.suffixes[-1:])
            )
            link.symlink_to(path.resolve())
            files = glob.escape(str(link))
            for row in load_dataset(builder, data_files=files, split="train", streaming=True, **whole):
                if not isinstance(row.get("text"), str):
                    raise TglError(f"{path}: a column 'text' of sentences expected, found {sorted(row)}")
                yield row["text"]
    except TglError:
        raise
    except Exception as error:  # each reader and each compression has exceptions of its own
        raise TglError(f"{path}: cannot be read as {builder} ({type(error).__name__}: {error})") from None


def _is_packed(path: Path) -> bool:
    return path.suffix in _COMPRESSED


def _is_tokens(path: Path) -> bool:
    try:
        return (pq.read_metadata(Path(path)).metadata or {}).get(b"tgl.table") == b"tokens"
    except (pa.ArrowInvalid, OSError) as error:
        raise TglError(f"{path}: not a readable Parquet file ({error})") from None
