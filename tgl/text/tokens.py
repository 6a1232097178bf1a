"""Pack documents into blocks of tokens.

Packing needs no padding. The documents of a part are joined, with an end-of-text token after each, and cut every
block_size tokens. Only the last block of a part is shorter. The order of documents within an epoch is drawn at training
time (`tgl.train.stream`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from tgl.core.errors import TglError
from tgl.core.tables.read import iter_batches, read_about
from tgl.core.tables.write import TableWriter
from tgl.core.vocabulary import TEXT_PARTS
from tgl.models.tokenizer import identity

# Documents tokenised at once, enough to keep all processors busy. A token takes some 150 bytes during that time.
_GROUP_DOCUMENTS, _GROUP_CHARACTERS = 256, 1 << 19
_GROUP_TOKENS = 1 << 18  # tokens in a row group, each of which takes 36 bytes until the group is written
# A text with words such as "<|endoftext|>" has special tokens inside, as in most pretraining. They are counted.
SPECIAL = "special_tokens_in_text"


def pack(
    documents: Iterable[tuple[str, str]],
    tokenizer: PreTrainedTokenizerBase,
    block_size: int,
    *,
    counts: Counter[str] | None = None,
) -> Iterator[dict]:
    """Yield rows of the table `tokens` from (part, text) documents.

    Args:
        documents: The documents.
        tokenizer: The tokenizer.
        block_size: The tokens in a block.
        counts: Gets the number of `SPECIAL`, if there are any.
    """
    counts = Counter() if counts is None else counts
    pending: dict[str, list[int]] = {part: [] for part in TEXT_PARTS}
    for group in _groups(documents):
        encoded = tokenizer([text for _, text in group], add_special_tokens=False, verbose=False)["input_ids"]
        for (part, _), ids in zip(group, encoded, strict=True):
            waiting = pending[part]
            if special := num_special(ids, tokenizer):
                counts[SPECIAL] += special
            waiting.extend(ids)
            waiting.append(tokenizer.eos_token_id)
            whole = len(waiting) // block_size * block_size
            for start in range(0, whole, block_size):
                yield {"part": part, "tokens": waiting[start : start + block_size]}
            del waiting[:whole]
    for part, waiting in pending.items():
        if waiting:
            yield {"part": part, "tokens": waiting}


def num_special(ids: Iterable[int], tokenizer: PreTrainedTokenizerBase) -> int:
    """Return the number of special tokens in a text, which tokenizers make of words such as "</s>"."""
    special = {*tokenizer.all_special_ids}
    if tokenizer.unk_token_id != tokenizer.eos_token_id:  # In GPT-2 both are one token.
        special.discard(tokenizer.unk_token_id)
    return sum(token in special for token in ids)


def _groups(documents: Iterable[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    """Yield the documents in groups; the document that reaches a limit ends its group."""
    group, size = [], 0
    for document in documents:
        group.append(document)
        size += len(document[1])
        if size >= _GROUP_CHARACTERS or len(group) == _GROUP_DOCUMENTS:
            yield group
            group, size = [], 0
    if group:
        yield group


def write_blocks(
    documents: Iterable[tuple[str, str]],
    tokenizer: PreTrainedTokenizerBase,
    block_size: int,
    *,
    output: str | Path,
    more_counts: Mapping[str, int] | None = None,
) -> None:
    """Tokenise and pack documents, and write the table `tokens` with its counts.

    Memory holds one group of documents and one row group of blocks, independent of the number of documents.

    Args:
        documents: Pairs of (part, text).
        tokenizer: The tokenizer.
        block_size: The tokens in a block.
        output: The table to write.
        more_counts: Further counts to store. They are read after the last document.

    Raises:
        TglError: There is no training text.
    """
    counts = Counter(
        {f"{part}_{what}": 0 for part in TEXT_PARTS for what in ("documents", "tokens", "blocks")}
    )

    def counted() -> Iterator[tuple[str, str]]:
        for part, text in documents:
            counts[f"{part}_documents"] += 1
            yield part, text

    with TableWriter(output, "tokens", max(1, _GROUP_TOKENS // block_size)) as table:
        for row in pack(counted(), tokenizer, block_size, counts=counts):
            counts[f"{row['part']}_blocks"] += 1
            counts[f"{row['part']}_tokens"] += len(row["tokens"])
            table.add(row)
        if counts["train_tokens"] == 0:
            raise TglError(
                f"{output}: no training text, because nothing is new or changed in this period or all pages are held "
                "out. Check the dates and text.holdout_share"
            )
        # The source of the documents has finished counting only now.
        table.finish(dict(counts) | dict(more_counts or {}), identity(tokenizer))


# The parts of a tokenizer that `identity` names.
_PARTS = {
    "vocabulary_sha256": "vocabulary",
    "tokenizer_sha256": "rules (normaliser, pre-tokenizer, merges)",
    "end_of_text": "end-of-text token",
}


def check_packed(paths: Iterable[str | Path], tokenizer: PreTrainedTokenizerBase) -> None:
    """Check that each table `tokens` was packed with this tokenizer, that is, with the same vocabulary and rules.

    Tables that were written before the rules were recorded are compared by their vocabulary only.

    Raises:
        TglError: A table was packed with another tokenizer, or does not record its tokenizer.
    """
    own = identity(tokenizer)
    for path in paths:
        found = read_about(path)
        if found.get("vocabulary_sha256") is None:
            raise TglError(
                f"{path}: does not record the tokenizer with which it was packed. Pack the text again."
            )
        for key, value in own.items():
            if found.get(key, value) != value:
                what = _PARTS[key]
                raise TglError(
                    f"{path}: packed with another tokenizer than this model's ({what} {str(found[key])[:12]}, expected "
                    f"{str(value)[:12]}). Give the text itself, or pack it again"
                )


def read_stream(path: str | Path, part: str) -> np.ndarray:
    """Return the tokens of one part as int32 [num_tokens]; reading takes at most twice that memory."""
    pieces = [np.empty(0, np.int32)]
    for batch in iter_batches(path, "tokens", ["part", "tokens"]):
        chosen = batch.filter(pc.equal(batch["part"], part))["tokens"]
        pieces.append(chosen.flatten().to_numpy(zero_copy_only=False).astype(np.int32, copy=False))
    return np.concatenate(pieces)
