"""Define the configuration of training text and its tokens."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tgl.core.config_types import FilePath, Holdout, Integer, Language, Section


class TextConfig(Section):
    """Training text: the base corpus, the held-out pages, and the rule for new text."""

    base: Literal["first_snapshot", "json_lines"] = Field(
        "first_snapshot",
        description="Pretraining text of the base model. first_snapshot: text of the first date; json_lines: a file.",
    )
    json_lines: FilePath | None = Field(
        None,
        description=(
            "File of documents {id, title, text} for base json_lines: JSON lines, CSV or Parquet. null: none."
        ),
    )
    max_characters: Annotated[Integer, Field(ge=1, le=10**15)] | None = Field(
        None, description="Stop reading json_lines after this many characters, at least 1. null: read all."
    )
    holdout_share: Holdout = Field(
        0.05,
        description="Share of the documents excluded from all training to measure held-out loss, 0.000001 to 0.9.",
    )
    language: Language = Field(
        "en",
        description="Language of the sentence splitter: an ISO 639-1 or Wikipedia code, such as en, de, zh or ceb.",
    )
    diff_rule: Literal["tgl", "temporalwiki", "ticwiki"] = Field(
        "tgl",
        description="What counts as new. tgl: sentences that the old page lacks; temporalwiki, ticwiki: docs/data.md.",
    )


class TokensConfig(Section):
    """The tokenizer, and the length of training sequences."""

    tokenizer: FilePath | None = Field(
        None, description="Hugging Face name or folder of a tokenizer. null: train one on the base text."
    )
    vocab_size: Annotated[Integer, Field(ge=300, le=1_000_000)] = Field(
        650, description="Vocabulary size of the tokenizer that is trained, 300 to 1,000,000 tokens."
    )
    block_size: Annotated[Integer, Field(ge=16, le=131_072)] = Field(
        128,
        description="Tokens in a training sequence, 16 to 131,072. A model from scratch has as many positions.",
    )
