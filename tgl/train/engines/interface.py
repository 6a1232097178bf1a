"""What the training loop needs of an engine, and what engines share.

An engine owns the optimiser: it takes a batch and a schedule factor, and does one step. The loss is the mean
negative log-likelihood over all target tokens of the batch, however many passes and processes the batch is spread
over.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import nn
from torch.nn import functional

from tgl.config import EngineConfig
from tgl.errors import TglError
from tgl.train.processes import rank, world_size

# What AdamW keeps of each parameter beside its number of steps.
MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class StepResult:
    """Loss (nats a token) and gradient norm before clipping of one step."""

    loss: float
    gradient_norm: float


class Engine(Protocol):
    """What the loop needs of an engine."""

    def step(self, tokens: torch.Tensor, number: int, factor: float) -> StepResult:
        """Do optimiser step `number` on int64 [batch, block] at `factor` times each group's initial rate.

        Raises TglError naming step and sublayer, before any weight has changed, where the loss or a gradient is not
        finite.
        """

    def rates(self) -> dict[str, float]:
        """Return the present learning rate of each trained unit."""

    def state(self) -> dict[str, torch.Tensor]:
        """Return weights and optimiser state by name, on the CPU; every process takes part.

        `weight/NAME` of every parameter; `step/NAME`, `exp_avg/NAME`, `exp_avg_sq/NAME` of each that has been trained.
        The same for every engine, stage and number of processes, so that a run goes on under any other.
        """

    def load(self, state: Mapping[str, torch.Tensor]) -> None:
        """Restore what `state` returned."""

    def close(self) -> None:
        """Let go of the optimiser's memory; the model stays."""


class Regulariser:
    """What a baseline adds to a step; this one adds nothing."""

    def task_weight(self, number: int) -> float:
        """Return the factor on the task's learning rate at step `number`."""
        return 1.0

    def penalty(self) -> torch.Tensor | float:
        """Return what is added to the loss."""
        return 0.0

    def pull(self, groups: list[dict], number: int, factor: float) -> None:
        """Move the parameters of the groups after step `number` at schedule factor `factor`."""


def language_model_loss(model: nn.Module, tokens: torch.Tensor) -> torch.Tensor:
    """Return the mean negative log-likelihood (nats) of tokens[:, 1:] given what is to their left."""
    logits = model(input_ids=tokens).logits[:, :-1]  # [batch, block - 1, vocabulary]
    return functional.cross_entropy(logits.float().flatten(0, 1), tokens[:, 1:].flatten())


def adamw(groups: list[dict]) -> torch.optim.AdamW:
    """Return AdamW with one fused kernel a step: a small model has many small tensors."""
    return torch.optim.AdamW(groups, fused=True)


def precision(settings: EngineConfig, device: torch.device) -> AbstractContextManager:
    """Return the context of a forward pass: with bf16, products in bfloat16 of weights that stay in fp32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=settings.precision == "bf16")


def rows_a_pass(batch_size: int, micro_batch_size: int | None) -> int:
    """Return how many rows of a batch a process passes at once.

    Raises TglError where the batch does not divide evenly: passes and processes of unequal size would have to be
    weighted, and a process without rows would be waited for.
    """
    own, left = divmod(batch_size, world_size())
    if left or not own:
        raise TglError(
            f"batch_size: {batch_size} rows cannot be shared evenly by {world_size()} processes; choose a multiple"
        )
    rows = min(micro_batch_size or own, own)
    if own % rows:
        raise TglError(
            f"micro_batch_size: {rows} does not divide the {own} rows of a process (batch_size {batch_size} over "
            f"{world_size()} processes); choose a divisor of {own}"
        )
    return rows


def own_passes(tokens: torch.Tensor, rows: int) -> list[torch.Tensor]:
    """Return this process's share of a batch [batch, block], as equal parts of `rows` rows in order."""
    own = len(tokens) // world_size()
    return list(tokens[rank() * own : (rank() + 1) * own].split(rows))
