"""The engine with PyTorch's AdamW in one process."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn

from tgl.models.settings import OptimiserConfig
from tgl.plans.apply import realised_rates
from tgl.train.engines.finite import owners, refuse_gradients, refuse_loss
from tgl.train.engines.interface import (
    MOMENTS,
    Regulariser,
    StepResult,
    adamw,
    own_passes,
    pass_losses,
    precision,
    rows_a_pass,
)
from tgl.train.engines.mode import compiled_call, training_step
from tgl.train.settings import EngineConfig


class PlainEngine:
    """See `Engine`."""

    def __init__(
        self,
        model: nn.Module,
        groups: list[dict],
        settings: OptimiserConfig,
        *,
        engine: EngineConfig,
        regulariser: Regulariser,
        seed: int = 0,
    ) -> None:
        self.model, self.settings, self.engine, self.regulariser = model, settings, engine, regulariser
        self.seed, self.checkpointing = seed, engine.checkpointing
        self.compiled = compiled_call(model) if engine.compile else None
        self.device = groups[0]["params"][0].device
        self.rows = rows_a_pass(settings.batch_size, settings.micro_batch_size)
        self.units = owners(model, groups)
        self.optimiser = adamw(groups)

    @training_step
    def step(self, tokens: torch.Tensor, number: int, factor: float) -> StepResult:
        """See `Engine`."""
        weight = self.regulariser.task_weight(number)
        for group in self.optimiser.param_groups:
            group["lr"] = group["initial_lr"] * factor * weight
        self.optimiser.zero_grad(set_to_none=True)
        passes = own_passes(tokens.to(self.device), self.rows)
        losses = []
        for part in passes:
            with precision(self.engine, self.device):
                loss, reported = pass_losses(self.model, part, self.regulariser)
            loss = loss / len(passes)
            losses.append(reported / len(passes))
            if part is passes[-1]:
                loss = loss + self.regulariser.penalty()
            loss.backward()
        mean_loss = torch.stack(losses).sum().item()
        if not math.isfinite(mean_loss):
            refuse_loss(number, self.model, passes)
        trained = [parameter for group in self.optimiser.param_groups for parameter in group["params"]]
        norm = nn.utils.clip_grad_norm_(trained, self.settings.clip_norm).item()
        if not math.isfinite(norm):
            bad = [
                name
                for name, p in self._trained().items()
                if p.grad is not None and not p.grad.isfinite().all()
            ]
            refuse_gradients(number, bad or list(self.units), self.units)
        self.optimiser.step()
        self.regulariser.pull(self.optimiser.param_groups, number, factor)
        return StepResult(mean_loss, norm)

    def _trained(self) -> dict[str, nn.Parameter]:
        return {name: p for name, p in self.model.named_parameters() if name in self.units}

    def rates(self) -> dict[str, float]:
        """See `Engine`."""
        return realised_rates(self.optimiser.param_groups)

    def state(self) -> dict[str, torch.Tensor]:
        """See `Engine`."""
        found = {
            f"weight/{name}": p.detach().to("cpu", copy=True) for name, p in self.model.named_parameters()
        }
        for name, parameter in self._trained().items():
            for key, value in self.optimiser.state[parameter].items():
                found[f"{key}/{name}"] = value.detach().to("cpu", copy=True)
        return found

    def load(self, state: Mapping[str, torch.Tensor]) -> None:
        """See `Engine`."""
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                parameter.copy_(state[f"weight/{name}"])
        for name, parameter in self._trained().items():
            if f"step/{name}" not in state:  # It had no gradient, so AdamW keeps nothing of it.
                continue
            self.optimiser.state[parameter] = {
                key: state[f"{key}/{name}"].to(self.device, copy=True) for key in ("step", *MOMENTS)
            }

    def whole(self) -> AbstractContextManager[None]:
        """See `Engine`."""
        return nullcontext()

    def close(self, *, whole: bool = True) -> None:
        """See `Engine`."""
        self.optimiser.state.clear()
