"""Stage `score`: a checkpoint to the tables `scores` and `lm_loss`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from transformers import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from tgl.evaluate.score import score_probes, text_loss
from tgl.fit import check_block_size, check_tokenizer
from tgl.tables import read_table, write_table
from tgl.text.tokens import check_packed, first_token, read_stream


def score_checkpoint(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    probes: str | Path,
    texts: Mapping[str, str | Path],
    checkpoint: str,
    block_size: int,
    scores_output: str | Path,
    lm_loss_output: str | Path,
) -> None:
    """Score every validation and test probe, and the held-out part of each text (name to table `tokens`).

    A text without a held-out part gives a row of 0 tokens. Raises TglError, before anything is scored, where model,
    tokenizer, texts and `block_size` do not fit together.
    """
    check_tokenizer(model, tokenizer)
    check_block_size(model, block_size)
    check_packed(texts.values(), tokenizer)
    model.eval()
    table = read_table(probes, "probes")
    asked: pa.Table = table.filter(pc.is_in(table["split"], pa.array(["validation", "test"])))
    write_table(score_probes(model, tokenizer, asked, checkpoint), scores_output, "scores")
    rows = []
    for name, path in texts.items():
        stream = read_stream(path, "held_out")
        loss, count = text_loss(model, stream, block_size, first_token(tokenizer))
        rows.append(
            {"checkpoint": checkpoint, "text": name, "num_tokens": count, "negative_log_likelihood": loss}
        )
    write_table(rows, lm_loss_output, "lm_loss")
