"""What one run of continual pretraining is given: paths, and the sections of the configuration it depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tgl.config import PlanConfig, ProfileConfig, TokensConfig, TrainConfig
from tgl.config_baselines import BaselinesConfig

TABLES = ("scores", "lm_loss", "steps", "rates", "drift")


@dataclass(frozen=True)
class Run:
    """What one run trains on and where it writes.

    profile: the table `profile` that the plan was made from; tokens: table `tokens` by period, in order;
    baseline: what the plan is put on; models: the checkpoint folder of each period; tables: the path of each
    table of `TABLES`; state: the folder it may go on from.
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


@dataclass(frozen=True)
class Settings:
    """The sections of the configuration that a run depends on."""

    train: TrainConfig
    tokens: TokensConfig
    profile: ProfileConfig
    plan: PlanConfig
    baselines: BaselinesConfig
