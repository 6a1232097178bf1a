"""Train, load and identify tokenizers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from tgl.core.errors import TglError
from tgl.core.files import how_to_mend
from tgl.models.folders import base_of_adapter, is_folder
from tgl.models.model_files import ADAPTER_CONFIG, read_model_json

END_OF_TEXT = "<|endoftext|>"


def train_tokenizer(texts: Iterable[str], vocab_size: int, folder: str | Path) -> None:
    """Train a byte-level BPE tokenizer, as GPT-2 has, and save it to `folder` for `load_tokenizer`.

    Args:
        texts: The training text.
        vocab_size: Number of tokens.
        folder: Where to save the tokenizer.

    Raises:
        TglError: The text is too short for `vocab_size` tokens.
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
            f"tokens.vocab_size: the base text gives only {tokenizer.get_vocab_size()} tokens, expected {vocab_size}. "
            "Set a smaller size, or give more text"
        )
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=END_OF_TEXT, eos_token=END_OF_TEXT, unk_token=END_OF_TEXT
    )
    wrapped.save_pretrained(folder)


def load_tokenizer(name: str | Path) -> PreTrainedTokenizerBase:
    """Load a fast tokenizer with an end-of-text token, without remote code.

    Args:
        name: Folder or Hugging Face name. For an adapter's folder without tokenizer files, the function loads the
            tokenizer of the base model.

    Raises:
        TglError: The tokenizer is missing or damaged, is slow, has no end-of-text token, or needs its own code.
    """
    place = _checked_folder(Path(name)) if is_folder(name) else name
    try:
        tokenizer = AutoTokenizer.from_pretrained(place, trust_remote_code=False)
        tokenizer("a")  # Wrong settings only show in use.
    except Exception as error:  # Tokenizer classes can raise anything.
        raise TglError(
            f"tokenizer '{name}': cannot be loaded ({' '.join(str(error).split())[:300]}). Expected a Hugging Face "
            "name or folder; correct the name"
        ) from None
    if not tokenizer.is_fast:
        raise TglError(
            f"tokenizer '{name}': found a slow tokenizer, expected a fast one, which gives character offsets. "
            "Give another tokenizer"
        )
    if tokenizer.eos_token_id is None:
        raise TglError(
            f"tokenizer '{name}': found no end-of-text token, expected one to separate documents. "
            "Give another tokenizer"
        )
    if len(tokenizer) < 256:
        raise TglError(
            f"tokenizer '{name}': found only {len(tokenizer)} tokens, expected at least 256. Its files are incomplete; "
            "fetch them again"
        )
    return tokenizer


def _checked_folder(folder: Path) -> Path:
    """Return the folder with the tokenizer of `folder`, after checking its files."""
    if (folder / ADAPTER_CONFIG).is_file() and not _tokenizer_files(folder):
        folder = base_of_adapter(folder)
    files = _tokenizer_files(folder)
    for path in files:
        read_model_json(path)
    whole = folder / "tokenizer.json"
    if whole in files:
        try:
            Tokenizer.from_file(str(whole))
        except Exception as error:  # The tokenizers library raises plain Exception.
            raise TglError(
                f"{whole}: not a tokenizer ({' '.join(str(error).split())[:300]}), expected a file from "
                f"save_pretrained. {how_to_mend(whole)}"
            ) from None
    return folder


def _tokenizer_files(folder: Path) -> list[Path]:
    names = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
    return [folder / name for name in names if (folder / name).is_file()]


def first_token(tokenizer: PreTrainedTokenizerBase) -> int:
    """Return the id that every sequence begins with: begin-of-text, or end-of-text if there is none.

    Probes, windows, control spans and held-out blocks all begin with it, so that compared groups do not differ in
    their first token.
    """
    return tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id


def num_ids(tokenizer: PreTrainedTokenizerBase) -> int:
    """Return the largest token id plus one. It is larger than `len(tokenizer)` if the ids have gaps."""
    return max(tokenizer.get_vocab().values()) + 1


def vocabulary_hash(tokenizer: PreTrainedTokenizerBase) -> str:
    """Return the SHA-256 of the vocabulary. Token ids are only valid with the same vocabulary."""
    return _sha256(sorted(tokenizer.get_vocab().items()))


def identity(tokenizer: PreTrainedTokenizerBase) -> dict[str, str | int]:
    """Return what identifies a tokenizer in a table: hashes of vocabulary and rules, and the end-of-text id."""
    whole = json.loads(tokenizer.backend_tokenizer.to_str())
    # Only these rules act on plain text; truncation and padding change with use.
    rules = {key: whole[key] for key in ("normalizer", "pre_tokenizer", "model")}
    return {"vocabulary_sha256": vocabulary_hash(tokenizer), "tokenizer_sha256": _sha256(rules)} | {
        "end_of_text": tokenizer.eos_token_id
    }


def _sha256(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
