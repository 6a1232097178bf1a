"""Score a model between the steps of its training, to measure points on its curve of uptake and forgetting."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from torch import nn
from transformers import PreTrainedModel

from tgl.core.schemas import SCHEMAS
from tgl.core.tables.read import read_table, read_tables
from tgl.core.tables.write import write_table
from tgl.core.vocabulary import HELD_OUT, STEP_TABLES, TEST, VALIDATION
from tgl.evaluate.score import (
    PreparedProbes,
    kl_divergence,
    max_length,
    prepare_probes,
    score_prepared,
    text_loss,
)
from tgl.models.checkpoint import load_model
from tgl.models.mode import measuring
from tgl.models.tokenizer import first_token
from tgl.text.tokens import read_stream
from tgl.train.run import Period

# Columns of the table `scores` that are kept. Without candidates there is no rank.
_KEPT = [name for name in SCHEMAS["step_scores"].names if name != "step"]


class StepScores:
    """The scores of one period by step: those of `train.score_at`, and the last one of the period.

    Each step is written to its own files in the period's folder, so that a resumed run keeps them.

    Args:
        period: The period.
        module: The module that is trained.
        num_steps: Number of steps of the period. A baseline may take more than `train.steps`.
        say: Called with log lines.
    """

    def __init__(
        self, period: Period, module: nn.Module, *, num_steps: int, say: Callable[[str], None]
    ) -> None:
        self.period, self.module, self.num_steps, self.say = period, module, num_steps, say
        score_at = period.settings.score_at
        self.steps = [*score_at, num_steps] if score_at else []

    def score(self, done: int) -> None:
        """Score the model after `done` steps, if this is one of the steps to score."""
        if done not in self.steps or all(self._path(name, done).is_file() for name in STEP_TABLES):
            return
        period = self.period
        with measuring(self.module):
            rows = score_prepared(self.module, self._prepared, checkpoint=period.name)
            scores = [{"step": done} | {key: row[key] for key in _KEPT} for row in rows]
            losses = [{"checkpoint": period.name, "step": done, **row} for row in self._losses()]
        for name, found in zip(STEP_TABLES, (scores, losses), strict=True):
            write_table(found, self._path(name, done), name)
        self.say(f"step {done} of {self.num_steps}: scored {len(scores)} probes")

    def write(self) -> None:
        """Write the tables of all steps to the period's folder."""
        for name in STEP_TABLES if self.steps else ():
            table = read_tables([self._path(name, step) for step in self.steps], name)
            write_table(table, self.period.folder / f"{name}.parquet", name)

    def _path(self, name: str, step: int) -> Path:
        return self.period.folder / "scored" / f"{name}-{step}.parquet"

    @cached_property
    def _prepared(self) -> PreparedProbes:
        return prepare_probes(self.period.tokenizer, self._probes(), max_length=max_length(self._base))

    def _probes(self) -> pa.Table:
        """Validation and test probes of the period, which are those that count on its curve.

        Candidates and old answers are left out: their scores are not kept, and take most of the time.
        """
        table = read_table(self.period.run.probes, "probes")
        asked = table.filter(
            pc.and_(
                pc.is_in(table["split"], pa.array([VALIDATION, TEST])),
                pc.equal(table["period"], self.period.name),
            )
        )
        for name, value in {"candidates": [], "old_answer": None}.items():
            values = pa.array([value] * len(asked), asked.schema.field(name).type)
            asked = asked.set_column(asked.schema.get_field_index(name), name, values)
        return asked

    @cached_property
    def _base(self) -> PreTrainedModel:
        model = load_model(self.period.run.base_model, say=lambda text: None)
        return model.to(next(self.module.parameters()).device).eval()

    def _held_out(self, path: str | Path) -> np.ndarray:
        return read_stream(path, HELD_OUT)[: self.period.settings.score_tokens]

    def _losses(self) -> list[dict]:
        """Return the held-out loss of the base text and of the period's text, and the divergence on the base text."""
        period, rows = self.period, []
        begin = first_token(period.tokenizer)
        for name, path in {
            "base": period.run.base_tokens,
            period.name: period.run.tokens[period.name],
        }.items():
            tokens = self._held_out(path)
            loss, count = text_loss(self.module, tokens, period.block_size, begin_token=begin)
            row = {"text": name, "num_tokens": count, "negative_log_likelihood": loss, "kl_from_base": None}
            if name == "base":
                row["kl_from_base"] = kl_divergence(
                    self._base, self.module, tokens, block_size=period.block_size, begin_token=begin
                )
            rows.append(row)
        return rows
