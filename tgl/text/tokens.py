"""Tokenizer and packed blocks.

Packing wastes nothing: the documents of a part are joined, each ended by the end-of-text token, and cut every
block_size tokens; only the last block of a part is shorter. The order within an epoch is drawn at training
time (`tgl.train.stream`), by document.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from tgl.errors import TglError
from tgl.files import how_to_mend
from tgl.model_files import ADAPTER_CONFIG, base_of_adapter, is_folder, read_model_json
from tgl.tables import TableWriter, iter_batches, read_about
from tgl.text.documents import PARTS

END_OF_TEXT = "<|endoftext|>"
# What is tokenised at once: enough to keep all processors busy. A token takes some 150 bytes meanwhile.
_GROUP_DOCUMENTS, _GROUP_CHARACTERS = 256, 1 << 19
_GROUP_TOKENS = 1 << 18  # of a row group: 36 bytes each, until it is written


def train_tokenizer(texts: Iterable[str], vocab_size: int, folder: str | Path) -> None:
    """Train a byte-level BPE (as GPT-2's) and save it to `folder` for `load_tokenizer`.

    Raises TglError when the text is too small to give `vocab_size` tokens.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    if tokenizer.get_vocab_size() != vocab_size:
        raise TglError(
            f"tokens.vocab_size: the base text gives {tokenizer.get_vocab_size()} tokens, {vocab_size} were "
            "asked for; ask for fewer or give more text"
        )
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=END_OF_TEXT, eos_token=END_OF_TEXT, unk_token=END_OF_TEXT
    )
    wrapped.save_pretrained(folder)


def load_tokenizer(name: str | Path) -> PreTrainedTokenizerBase:
    """Load a tokenizer by folder or Hugging Face name, without remote code; a fast one with an end-of-text token.

    An adapter's folder without tokenizer files gives its base model's. Raises TglError, which names the file where one
    is at fault, for what is missing, damaged or asks for code of its own.
    """
    place = _checked_folder(Path(name)) if is_folder(name) else name
    try:
        tokenizer = AutoTokenizer.from_pretrained(place, trust_remote_code=False)
        tokenizer("a")  # wrong settings show only in use
    except Exception as error:  # the classes of tokenizers raise what they like
        raise TglError(
            f"tokenizer '{name}': cannot be loaded ({' '.join(str(error).split())[:300]}); expected a Hugging Face "
            "name or folder"
        ) from None
    if not tokenizer.is_fast:
        raise TglError(f"tokenizer '{name}': spans need character offsets, which only fast tokenizers give")
    if tokenizer.eos_token_id is None:
        raise TglError(f"tokenizer '{name}': has no end-of-text token, which separates documents")
    if len(tokenizer) < 256:
        raise TglError(f"tokenizer '{name}': only {len(tokenizer)} tokens; its files are incomplete")
    return tokenizer


def _checked_folder(folder: Path) -> Path:
    """Return the folder whose tokenizer serves `folder`, after a look at its files."""
    if (folder / ADAPTER_CONFIG).is_file() and not _tokenizer_files(folder):
        folder = base_of_adapter(folder)
    files = _tokenizer_files(folder)
    for path in files:
        read_model_json(path)
    whole = folder / "tokenizer.json"
    if whole in files:
        try:
            Tokenizer.from_file(str(whole))
        except Exception as error:  # tokenizers raises the bare class
            raise TglError(
                f"{whole}: no tokenizer ({' '.join(str(error).split())[:300]}), expected one that save_pretrained "
                f"wrote. {how_to_mend(whole)}"
            ) from None
    return folder


def _tokenizer_files(folder: Path) -> list[Path]:
    names = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
    return [folder / name for name in names if (folder / name).is_file()]


def pack(
    documents: Iterable[tuple[str, str]], tokenizer: PreTrainedTokenizerBase, block_size: int
) -> Iterator[dict]:
    """Yield rows of the table `tokens` from (part, text) documents."""
    pending: dict[str, list[int]] = {part: [] for part in PARTS}
    for group in _groups(documents):
        encoded = tokenizer([text for _, text in group], add_special_tokens=False, verbose=False)["input_ids"]
        for (part, _), ids in zip(group, encoded, strict=True):
            waiting = pending[part]
            waiting.extend(ids)
            waiting.append(tokenizer.eos_token_id)
            whole = len(waiting) // block_size * block_size
            for start in range(0, whole, block_size):
                yield {"part": part, "tokens": waiting[start : start + block_size]}
            del waiting[:whole]
    for part, waiting in pending.items():
        if waiting:
            yield {"part": part, "tokens": waiting}


def _groups(documents: Iterable[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    """Yield the documents in groups that end with the one that fills them."""
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
    output: str | Path,
    more_counts: Mapping[str, int] | None = None,
) -> None:
    """Tokenise, pack and write the table `tokens` with its counts, and those that the documents' source keeps.

    Memory holds one group of documents and one row group of blocks, however many there are. Raises TglError for
    an empty part.
    """
    counts = {f"{part}_{what}": 0 for part in PARTS for what in ("documents", "tokens", "blocks")}

    def counted() -> Iterator[tuple[str, str]]:
        for part, text in documents:
            counts[f"{part}_documents"] += 1
            yield part, text

    with TableWriter(output, "tokens", max(1, _GROUP_TOKENS // block_size)) as table:
        for row in pack(counted(), tokenizer, block_size):
            counts[f"{row['part']}_blocks"] += 1
            counts[f"{row['part']}_tokens"] += len(row["tokens"])
            table.add(row)
        if counts["train_tokens"] == 0:
            raise TglError(
                f"{output}: no training text; nothing is new or changed in this period, or all is held out"
            )
        # The source of the documents has counted all of them only now.
        table.finish(counts | dict(more_counts or {}), _made_by(tokenizer))


def first_token(tokenizer: PreTrainedTokenizerBase) -> int:
    """Return the id that every sequence begins with: begin-of-text, or end-of-text where there is none.

    Probes, windows, control spans and held-out blocks all begin with it, so that none of the groups that are
    compared differs in it.
    """
    return tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id


def num_ids(tokenizer: PreTrainedTokenizerBase) -> int:
    """Return the largest token id plus one, which is above `len(tokenizer)` where the ids have gaps."""
    return max(tokenizer.get_vocab().values()) + 1


def vocabulary_hash(tokenizer: PreTrainedTokenizerBase) -> str:
    """Return the SHA-256 of the vocabulary: tokens mean something to their own tokenizer only."""
    return _sha256(sorted(tokenizer.get_vocab().items()))


def _made_by(tokenizer: PreTrainedTokenizerBase) -> dict[str, str]:
    """Return what identifies the tokenizer of a table: its vocabulary, and the rules that cut text into it."""
    whole = json.loads(tokenizer.backend_tokenizer.to_str())
    # Of the rules only these act on plain text; truncation and padding change with use.
    rules = {key: whole[key] for key in ("normalizer", "pre_tokenizer", "model")}
    return {"vocabulary_sha256": vocabulary_hash(tokenizer), "tokenizer_sha256": _sha256(rules)}


def _sha256(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def check_packed(paths: Iterable[str | Path], tokenizer: PreTrainedTokenizerBase) -> None:
    """Raise TglError unless each table `tokens` was packed with this tokenizer: the same vocabulary and rules.

    A table that was written before the rules were recorded is compared by its vocabulary alone.
    """
    own = _made_by(tokenizer)
    for path in paths:
        found = read_about(path)
        if found.get("vocabulary_sha256") is None:
            raise TglError(f"{path}: does not say with which tokenizer it was packed. Pack the text again.")
        for key, value in own.items():
            if found.get(key, value) != value:
                what = (
                    "vocabulary"
                    if key == "vocabulary_sha256"
                    else "rules (normaliser, pre-tokenizer, merges)"
                )
                raise TglError(
                    f"{path}: packed with another tokenizer than this model's ({what} {found[key][:12]}, expected "
                    f"{value[:12]}); give the text itself, or pack it again"
                )


def read_stream(path: str | Path, part: str) -> np.ndarray:
    """Return the tokens of one part as one int32 array [num_tokens]; reading takes twice its memory at most."""
    pieces = [np.empty(0, np.int32)]
    for batch in iter_batches(path, "tokens", ["part", "tokens"]):
        chosen = batch.filter(pc.equal(batch["part"], part))["tokens"]
        pieces.append(chosen.flatten().to_numpy(zero_copy_only=False).astype(np.int32, copy=False))
    return np.concatenate(pieces)
