"""Two engines behind one small interface: plain PyTorch, and DeepSpeed (ZeRO 0 to 2).

An engine owns the optimiser: it takes a batch and a schedule factor, and does one step. The loss is the mean
negative log-likelihood over all target tokens of the batch.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import nn
from torch.nn import functional

from tgl.config import OptimiserConfig
from tgl.errors import TglError
from tgl.train.groups import realised_rates


@dataclass(frozen=True)
class StepResult:
    """Loss (nats a token) and gradient norm before clipping of one step."""

    loss: float
    gradient_norm: float


class Engine(Protocol):
    """What the loop needs of an engine."""

    def step(self, tokens: torch.Tensor, number: int, factor: float) -> StepResult:
        """Do optimiser step `number` on int64 [batch, block] at `factor` times each group's initial rate."""

    def rates(self) -> dict[str, float]:
        """Return the present learning rate of each trained unit."""

    def save(self, folder: Path) -> None:
        """Save weights and optimiser state into an empty folder."""

    def load(self, folder: Path) -> None:
        """Restore what `save` wrote."""


def language_model_loss(model: nn.Module, tokens: torch.Tensor) -> torch.Tensor:
    """Return the mean negative log-likelihood (nats) of tokens[:, 1:] given what is to their left."""
    logits = model(input_ids=tokens).logits[:, :-1]  # [batch, block - 1, vocabulary]
    return functional.cross_entropy(logits.float().flatten(0, 1), tokens[:, 1:].flatten())


def adamw(groups: list[dict]) -> torch.optim.AdamW:
    """Return AdamW with one fused kernel a step: a small model has many small tensors."""
    return torch.optim.AdamW(groups, fused=True)


class Regulariser:
    """What a baseline adds to a step; this one adds nothing."""

    def task_weight(self, number: int) -> float:
        """Return the factor on the task's learning rate at step `number`."""
        return 1.0

    def penalty(self) -> torch.Tensor | float:
        """Return what is added to the loss."""
        return 0.0

    def pull(self, groups: list[dict], number: int, factor: float) -> None:
        """Move the parameters of the optimiser's groups after step `number` at schedule factor `factor`."""


class PlainEngine:
    """AdamW of PyTorch in one process."""

    def __init__(
        self, model: nn.Module, groups: list[dict], settings: OptimiserConfig, regulariser: Regulariser
    ) -> None:
        self.model, self.clip_norm, self.regulariser = model, settings.clip_norm, regulariser
        self.device = groups[0]["params"][0].device
        self.optimiser = adamw(groups)

    def step(self, tokens: torch.Tensor, number: int, factor: float) -> StepResult:
        """See `Engine`; the loss that is told is the language model's, without a penalty."""
        weight = self.regulariser.task_weight(number)
        for group in self.optimiser.param_groups:
            group["lr"] = group["initial_lr"] * factor * weight
        loss = language_model_loss(self.model, tokens.to(self.device))
        self.optimiser.zero_grad(set_to_none=True)
        (loss + self.regulariser.penalty()).backward()
        trained = [parameter for group in self.optimiser.param_groups for parameter in group["params"]]
        norm = nn.utils.clip_grad_norm_(trained, self.clip_norm)
        result = StepResult(loss.item(), norm.item())
        _refuse_non_finite(result)
        self.optimiser.step()
        self.regulariser.pull(self.optimiser.param_groups, number, factor)
        return result

    def rates(self) -> dict[str, float]:
        """See `Engine`."""
        return realised_rates(self.optimiser.param_groups)

    def save(self, folder: Path) -> None:
        """See `Engine`."""
        torch.save(
            {"model": self.model.state_dict(), "optimiser": self.optimiser.state_dict()}, folder / "state.pt"
        )

    def load(self, folder: Path) -> None:
        """See `Engine`."""
        state = torch.load(folder / "state.pt", weights_only=True, map_location=self.device)
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])


class DeepSpeedEngine:
    """The same AdamW inside DeepSpeed; started by torchrun or, alone, as a group of one process."""

    def __init__(
        self, model: nn.Module, groups: list[dict], settings: OptimiserConfig, zero_stage: int
    ) -> None:
        deepspeed = _start_deepspeed()
        self.model, self.zero_stage = model, zero_stage
        self.engine, *_ = deepspeed.initialize(
            model=model,
            optimizer=adamw(groups),
            config={
                "train_micro_batch_size_per_gpu": settings.batch_size,
                "gradient_accumulation_steps": 1,
                "gradient_clipping": settings.clip_norm,
                "zero_optimization": {"stage": zero_stage},
                "zero_allow_untested_optimizer": True,  # AdamW of PyTorch needs no compiled extension
                "steps_per_print": 10**9,
            },
        )

    def step(self, tokens: torch.Tensor, number: int, factor: float) -> StepResult:
        """See `Engine`."""
        for group in self.engine.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor
        loss = language_model_loss(self.engine, tokens.to(self.engine.device))
        self.engine.backward(loss)
        norm = self._norm_without_zero() if self.zero_stage == 0 else None
        self.engine.step()
        result = StepResult(loss.item(), float(self.engine.get_global_grad_norm() if norm is None else norm))
        _refuse_non_finite(result)
        return result

    def _norm_without_zero(self) -> float:
        # DeepSpeed keeps no gradient norm at stage 0 in fp32; the gradients are whole there.
        gradients = [parameter.grad for parameter in self.model.parameters() if parameter.grad is not None]
        return nn.utils.get_total_norm(gradients).item()

    def rates(self) -> dict[str, float]:
        """See `Engine`."""
        return realised_rates(self.engine.optimizer.param_groups)

    def save(self, folder: Path) -> None:
        """See `Engine`."""
        self.engine.save_checkpoint(str(folder), tag="state")

    def load(self, folder: Path) -> None:
        """See `Engine`."""
        # The state folder is the run's own; no path a user gives is ever read this way.
        self.engine.load_checkpoint(str(folder), tag="state")


def make_engine(
    name: str,
    model: nn.Module,
    groups: list[dict],
    settings: OptimiserConfig,
    zero_stage: int = 1,
    regulariser: Regulariser | None = None,
) -> Engine:
    """Return the engine `name`; 'auto' is DeepSpeed where there is a GPU, plain PyTorch elsewhere.

    With a regulariser 'auto' is plain PyTorch, and 'deepspeed' is refused with a TglError: under ZeRO weights and
    gradients are kept in parts that a regulariser does not see.
    """
    if name == "deepspeed" and regulariser is not None:
        raise TglError(
            f"engine 'deepspeed': {type(regulariser).__name__} reads and moves whole parameters, which DeepSpeed keeps "
            "in parts; set train.engine to 'plain'"
        )
    if name == "auto":
        name = "deepspeed" if torch.cuda.is_available() and regulariser is None else "plain"
    if name == "plain":
        return PlainEngine(model, groups, settings, regulariser or Regulariser())
    return DeepSpeedEngine(model, groups, settings, zero_stage)


def _start_deepspeed():
    try:
        import deepspeed
    except ImportError as error:
        raise TglError(f"engine 'deepspeed': {error}; install it, or set train.engine to 'plain'") from None
    # One of DeepSpeed's extensions would be compiled for minutes at start-up; gloo serves as well.
    compatible = getattr(getattr(deepspeed, "ops", None), "__compatible_ops__", None)
    if isinstance(compatible, dict):
        compatible["deepspeed_shm_comm"] = False
    if "RANK" not in os.environ:  # not started by torchrun: a group of one, which needs no port
        os.environ.update(RANK="0", LOCAL_RANK="0", WORLD_SIZE="1")
        if not torch.distributed.is_initialized():
            store = torch.distributed.HashStore()
            torch.distributed.init_process_group(_backend(), store=store, rank=0, world_size=1)
    deepspeed.init_distributed(dist_backend=_backend())
    return deepspeed


def _backend() -> str:
    return "nccl" if torch.cuda.is_available() else "gloo"


def _refuse_non_finite(result: StepResult) -> None:
    if not (torch.isfinite(torch.tensor(result.loss)) and torch.isfinite(torch.tensor(result.gradient_norm))):
        raise TglError(
            f"training: loss {result.loss} and gradient norm {result.gradient_norm} are not finite; "
            "lower the learning rate"
        )
