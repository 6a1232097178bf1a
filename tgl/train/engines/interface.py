"""The interface between training loop and engine, and code that the engines share.

An engine owns the optimiser. It does one step for a batch and a schedule factor. The loss is the mean negative
log-likelihood over all target tokens of the batch, independent of the number of passes and processes.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import nn
from torch.nn import functional

from tgl.core.errors import TglError
from tgl.train.processes import rank, world_size
from tgl.train.settings import EngineConfig

# AdamW keeps these for each parameter, besides the number of steps.
MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class StepResult:
    """Loss (nats per token) and gradient norm before clipping of one step."""

    loss: float
    gradient_norm: float


class Engine(Protocol):
    """The interface of an engine."""

    def step(self, tokens: torch.Tensor, number: int, factor: float) -> StepResult:
        """Do one optimiser step.

        Args:
            tokens: The batch, int64 [batch, block].
            number: Number of the step.
            factor: Factor on the initial learning rate of each group.

        Returns:
            The language model's loss, without a penalty, and the gradient norm.

        Raises:
            TglError: The loss or a gradient is not finite. The message names step and sublayer. No weight has changed.
        """

    def rates(self) -> dict[str, float]:
        """Return the current learning rate of each trained unit."""

    def state(self) -> dict[str, torch.Tensor]:
        """Return weights and optimiser state by name, on the CPU. All processes must call it.

        The names are `weight/NAME` for every parameter, and `step/NAME`, `exp_avg/NAME` and `exp_avg_sq/NAME` for every
        trained parameter. The state is the same for every engine, ZeRO stage and number of processes, so that a run
        can resume with different ones.
        """

    def load(self, state: Mapping[str, torch.Tensor]) -> None:
        """Restore a result of `state`."""

    def whole(self) -> AbstractContextManager[None]:
        """Return a context in which the model has its whole weights, so that a process can run it alone.

        All processes must enter it.
        """

    def close(self, *, whole: bool = True) -> None:
        """Free the optimiser's memory; the model stays.

        Args:
            whole: Whether the model gets its whole weights back. All processes must then call it, which they cannot
                after an error in one of them.
        """


class Regulariser:
    """What a baseline adds to a step; this one adds nothing."""

    def task_weight(self, number: int) -> float:
        """Return the factor on the task's learning rate at step `number`."""
        return 1.0

    def penalty(self) -> torch.Tensor | float:
        """Return the term to add to the loss."""
        return 0.0

    def token_weights(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor | None:
        """Return the weight of each token's loss, or None for equal weights.

        Args:
            logits: float32 [batch, block - 1, vocabulary], without gradients.
            targets: int64 [batch, block - 1].

        Returns:
            Weights [batch, block - 1] with mean 1.
        """
        return None

    def pull(self, groups: list[dict], number: int, factor: float) -> None:
        """Move the parameters of the groups after step `number` at schedule factor `factor`."""


def language_model_loss(model: nn.Module, tokens: torch.Tensor) -> torch.Tensor:
    """Return the mean negative log-likelihood (nats) of tokens[:, 1:] given the tokens to their left.

    Args:
        model: The language model.
        tokens: int64 [batch, block].
    """
    return functional.cross_entropy(*_flat(_predicted(model, tokens), tokens))


def pass_losses(
    model: nn.Module, tokens: torch.Tensor, regulariser: Regulariser
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (loss to train, loss to report) of one pass.

    The loss to report is `language_model_loss` without gradients. The loss to train has the regulariser's weights.

    Args:
        model: The language model.
        tokens: int64 [batch, block].
        regulariser: What the baseline adds to a step.
    """
    logits = _predicted(model, tokens)
    weights = regulariser.token_weights(logits.detach(), tokens[:, 1:])
    if weights is None:
        loss = functional.cross_entropy(*_flat(logits, tokens))
        return loss, loss.detach()
    losses = functional.cross_entropy(*_flat(logits, tokens), reduction="none")
    return (weights.flatten() * losses).mean(), losses.detach().mean()


def _predicted(model: nn.Module, tokens: torch.Tensor) -> torch.Tensor:
    """Return the logits of all tokens but the first, float32 [batch, block - 1, vocabulary]."""
    return model(input_ids=tokens).logits[:, :-1].float()


def _flat(logits: torch.Tensor, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return logits [batch * (block - 1), vocabulary] and targets [batch * (block - 1)]."""
    return logits.flatten(0, 1), tokens[:, 1:].flatten()


def adamw(groups: list[dict]) -> torch.optim.AdamW:
    """Return AdamW with one fused kernel per step, which is faster for the many small tensors of a small model."""
    return torch.optim.AdamW(groups, fused=True)


def precision(settings: EngineConfig, device: torch.device) -> AbstractContextManager:
    """Return the context of a forward pass. With bf16, matrix products are in bfloat16 and weights stay in fp32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=settings.precision == "bf16")


def rows_a_pass(batch_size: int, micro_batch_size: int | None) -> int:
    """Return the number of rows of a batch in one pass of a process.

    Args:
        batch_size: Rows of a batch over all processes.
        micro_batch_size: Most rows in a pass. None: all rows of the process.

    Raises:
        TglError: The batch does not divide evenly. Passes and processes of unequal size would need weights, and a
            process without rows would make the others wait.
    """
    own, left = divmod(batch_size, world_size())
    if left or not own:
        raise TglError(
            f"batch_size: {batch_size} rows cannot be divided evenly among {world_size()} processes. Choose a multiple"
        )
    rows = min(micro_batch_size or own, own)
    if own % rows:
        raise TglError(
            f"micro_batch_size: {rows} does not divide the {own} rows of a process (batch_size {batch_size} over "
            f"{world_size()} processes). Choose a divisor of {own}"
        )
    return rows


def own_passes(tokens: torch.Tensor, rows: int) -> list[torch.Tensor]:
    """Return this process's share of a batch [batch, block], in order, as equal parts of `rows` rows."""
    own = len(tokens) // world_size()
    return list(tokens[rank() * own : (rank() + 1) * own].split(rows))
