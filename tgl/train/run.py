"""The inputs, settings and outputs of a run of continual pretraining, and of each of its periods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tgl.core.config_types import Section
from tgl.core.vocabulary import TRAIN
from tgl.plans.settings import PlanConfig
from tgl.profiling.settings import ProfileConfig
from tgl.text.settings import TokensConfig
from tgl.text.tokens import read_stream
from tgl.train.settings import TrainConfig
from tgl.train.stream import TokenStream

if TYPE_CHECKING:
    from transformers import PreTrainedModel
    from transformers.tokenization_utils_base import PreTrainedTokenizerBase

    from tgl.plans.plan import Plan


@dataclass(frozen=True)
class Settings:
    """The sections of the configuration that a run depends on. `baseline` is None for a baseline without settings."""

    train: TrainConfig
    tokens: TokensConfig
    profile: ProfileConfig
    plan: PlanConfig
    baseline: Section | None = None


@dataclass(frozen=True)
class Run:
    """The inputs, settings and outputs of one run.

    Attributes:
        base_model: Folder of the base model.
        base_tokens: Table `tokens` of the base text.
        tokens: Table `tokens` of each period, in order.
        probes: Table `probes`.
        profile: Table `profile` from which the plan was made.
        plan: File of the plan.
        baseline: Name of the baseline.
        models: Checkpoint folder of each period; empty if no checkpoint is kept.
        tables: Path of each of `RUN_TABLES`, and of `STEP_TABLES` if train.score_at is given.
        state: Folder from which an interrupted run resumes.
        learning_rate: Learning rate at multiplier 1.
        seed: Seed of the run.
        settings: Sections of the configuration.
    """

    base_model: Path
    base_tokens: Path
    tokens: Mapping[str, Path]
    probes: Path
    profile: Path
    plan: Path
    baseline: str
    models: Mapping[str, Path]
    tables: Mapping[str, Path]
    state: Path
    learning_rate: float
    seed: int
    settings: Settings

    @property
    def periods(self) -> list[str]:
        """Return the names of the periods, in order."""
        return list(self.tokens)


@dataclass
class Period:
    """The model, data and settings of one period.

    Attributes:
        run: The run.
        number: Number of the period, from 0.
        model: The model before training. A baseline may replace it.
        tokenizer: The tokenizer.
        plan: The plan of this period.
    """

    run: Run
    number: int
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    plan: Plan

    @property
    def name(self) -> str:
        """Return the period's date."""
        return self.run.periods[self.number]

    @property
    def folder(self) -> Path:
        """Return the period's folder in the run's state."""
        return self.run.state / self.name

    @property
    def previous(self) -> Path | None:
        """Return the state folder of the previous period; None for the first period."""
        return self.run.state / self.run.periods[self.number - 1] if self.number else None

    @property
    def seed(self) -> int:
        """Return the seed of this period's data order."""
        return self.run.seed * 1000 + self.number + 1

    @property
    def settings(self) -> TrainConfig:
        """Return the section `train`."""
        return self.run.settings.train

    @property
    def block_size(self) -> int:
        """Return the number of tokens of a sequence."""
        return self.run.settings.tokens.block_size

    @property
    def learning_rate(self) -> float:
        """Return the learning rate at multiplier 1."""
        return self.run.learning_rate

    @cached_property
    def base(self) -> np.ndarray:
        """Return the training tokens of the base text [num_tokens]."""
        return read_stream(self.run.base_tokens, TRAIN)

    @cached_property
    def new(self) -> np.ndarray:
        """Return the training tokens of the period's text [num_tokens]."""
        return read_stream(self.run.tokens[self.name], TRAIN)

    @cached_property
    def old(self) -> np.ndarray:
        """Return the training tokens of the base text and all earlier periods [num_tokens]."""
        earlier = [self.run.tokens[name] for name in self.run.periods[: self.number]]
        return np.concatenate([self.base, *(read_stream(path, TRAIN) for path in earlier)])

    def stream_of(self, tokens: np.ndarray) -> TokenStream:
        """Return tokens in the period's data order."""
        return TokenStream(tokens, self.tokenizer.eos_token_id, self.seed)

    def new_stream(self) -> TokenStream:
        """Return the period's text in its data order."""
        return self.stream_of(self.new)

    def old_stream(self) -> TokenStream:
        """Return all older text in a separate data order."""
        return TokenStream(self.old, self.tokenizer.eos_token_id, self.seed + 500_000)
