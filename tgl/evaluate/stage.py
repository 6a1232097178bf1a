"""Stage `score`: score a checkpoint and write the tables `scores`, `lm_loss` and `generations`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from transformers import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from tgl.core.tables.read import read_table
from tgl.core.tables.write import write_table
from tgl.core.vocabulary import HELD_OUT, TEST, VALIDATION
from tgl.evaluate.generate import generations
from tgl.evaluate.score import max_length, prepare_probes, score_prepared, text_loss
from tgl.models.fit import check_block_size, check_tokenizer
from tgl.models.tokenizer import first_token
from tgl.text.tokens import check_packed, read_stream


def score_checkpoint(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    *,
    probes: str | Path,
    texts: Mapping[str, str | Path],
    checkpoint: str,
    block_size: int,
    folder: Path,
) -> None:
    """Score all validation and test probes and the held-out part of each text, and continue a few probes.

    A text without a held-out part gives a row with 0 tokens.

    Args:
        model: A causal language model.
        tokenizer: Its tokenizer.
        probes: Path of the table `probes`.
        texts: Path of a table `tokens` for each name of a text.
        checkpoint: Name of the model in the tables.
        block_size: Number of tokens of a block.
        folder: Folder for scores.parquet, lm_loss.parquet and generations.parquet.

    Raises:
        TglError: If model, tokenizer, texts and block size do not fit together. This is checked before scoring starts.
    """
    check_tokenizer(model, tokenizer)
    check_block_size(model, block_size)
    check_packed(texts.values(), tokenizer)
    model.eval()
    table = read_table(probes, "probes")
    asked: pa.Table = table.filter(pc.is_in(table["split"], pa.array([VALIDATION, TEST])))
    prepared = prepare_probes(tokenizer, asked, max_length=max_length(model), every=table)
    write_table(score_prepared(model, prepared, checkpoint=checkpoint), folder / "scores.parquet", "scores")
    continued = generations(model, tokenizer, asked, checkpoint=checkpoint)
    write_table(continued, folder / "generations.parquet", "generations")
    rows = []
    for name, path in texts.items():
        stream = read_stream(path, HELD_OUT)
        loss, count = text_loss(model, stream, block_size, begin_token=first_token(tokenizer))
        rows.append(
            {"checkpoint": checkpoint, "text": name, "num_tokens": count, "negative_log_likelihood": loss}
        )
    write_table(rows, folder / "lm_loss.parquet", "lm_loss")
