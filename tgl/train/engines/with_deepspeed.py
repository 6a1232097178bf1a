"""The engine with the same AdamW inside DeepSpeed (ZeRO 0 to 2), in one process or several."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn

from tgl.core.errors import TglError
from tgl.models.quiet import silence_deepspeed
from tgl.models.settings import OptimiserConfig
from tgl.plans.apply import realised_rates
from tgl.train.engines.finite import owners, refuse_gradients, refuse_loss, watched_gradients
from tgl.train.engines.interface import (
    MOMENTS,
    Regulariser,
    StepResult,
    adamw,
    own_passes,
    pass_losses,
    rows_a_pass,
)
from tgl.train.engines.mode import compiled_call, training_step
from tgl.train.processes import join, total, world_size
from tgl.train.settings import EngineConfig


class DeepSpeedEngine:
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
        deepspeed = _import_deepspeed()
        self.model, self.zero_stage, self.regulariser = model, engine.zero_stage, regulariser
        self.seed, self.checkpointing = seed, engine.checkpointing
        self.compiled = compiled_call(model) if engine.compile else None
        self.rows = rows_a_pass(settings.batch_size, settings.micro_batch_size)
        self.units = owners(model, groups)
        # DeepSpeed replaces the parameters of the groups by flat partitions, so this keeps the original ones.
        self.groups = [dict(group) for group in groups]
        config = deepspeed_config(settings, engine, self.rows)
        if engine.zero_stage == 3:
            # DeepSpeed takes memory for a whole bucket of gradients, by default of 500 million numbers.
            trained = sum(parameter.numel() for group in groups for parameter in group["params"])
            config["zero_optimization"]["reduce_bucket_size"] = min(trained, 500_000_000)
        self.engine, *_ = deepspeed.initialize(model=model, optimizer=adamw(groups), config=config)

    @training_step
    def step(self, tokens: torch.Tensor, number: int, factor: float) -> StepResult:
        """See `Engine`."""
        weight = self.regulariser.task_weight(number)
        for group in self.engine.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor * weight
        passes = own_passes(tokens.to(self.engine.device), self.rows)
        losses = []
        with watched_gradients(self.model, self.units) as bad:
            for part in passes:
                if losses:
                    self.engine.step()  # Between two passes, this only counts them.
                loss, reported = pass_losses(self.engine, part, self.regulariser)
                losses.append(reported)
                # DeepSpeed averages over passes and processes, so each of them needs the penalty.
                self.engine.backward(loss + self.regulariser.penalty())
        mean = torch.stack(losses).mean() / world_size()
        mean_loss, *counts = total(torch.cat([mean[None], bad])).tolist()
        if not math.isfinite(mean_loss):
            refuse_loss(number, self.model, passes)
        names = list(self.units)
        if not_finite := [name for name, count in zip(names, counts, strict=True) if count]:
            refuse_gradients(number, not_finite, self.units)
        norm = self._norm_without_zero() if self.zero_stage == 0 else None
        self.engine.step()
        self._pull(number, factor)
        return StepResult(mean_loss, float(self.engine.get_global_grad_norm() if norm is None else norm))

    def _norm_without_zero(self) -> float:
        # At stage 0 in fp32, DeepSpeed keeps no gradient norm, but the gradients are complete.
        gradients = [parameter.grad for group in self.groups for parameter in group["params"]]
        return nn.utils.get_total_norm(gradients).item()

    def _pull(self, number: int, factor: float) -> None:
        self.regulariser.pull(self.groups, number, factor)
        if type(self.regulariser).pull is not Regulariser.pull:
            self._keep_weights()

    def _keep_weights(self) -> None:
        """Copy the model's weights to ZeRO's own copy of them."""
        from deepspeed.utils import safe_set_full_fp32_param

        for _, parameter in self._trained():
            safe_set_full_fp32_param(parameter, parameter.data)

    def _trained(self) -> Iterator[tuple[str, nn.Parameter]]:
        return ((name, p) for name, p in self.model.named_parameters() if name in self.units)

    def rates(self) -> dict[str, float]:
        """See `Engine`."""
        return realised_rates(self.engine.optimizer.param_groups)

    def state(self) -> dict[str, torch.Tensor]:
        """See `Engine`."""
        found = {
            f"weight/{name}": p.detach().to("cpu", copy=True) for name, p in self.model.named_parameters()
        }
        adam = self._adam()
        for name, parameter in self._trained():
            if self.zero_stage == 0:
                kept = adam.state[parameter]
            else:
                mine = adam.state[self._partition(parameter)]
                kept = {key: self._gathered(parameter, mine[key]) for key in MOMENTS}
                kept["step"] = mine["step"]
            for key, value in kept.items():
                found[f"{key}/{name}"] = value.detach().to("cpu", copy=True)
        return found

    def load(self, state: Mapping[str, torch.Tensor]) -> None:
        """See `Engine`."""
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                parameter.copy_(state[f"weight/{name}"])
        self._keep_weights()
        adam = self._adam()
        for name, parameter in self._trained():
            if f"step/{name}" not in state:  # It had no gradient, so AdamW keeps nothing of it.
                continue
            saved = {key: state[f"{key}/{name}"] for key in ("step", *MOMENTS)}
            if self.zero_stage == 0:
                adam.state[parameter] = {
                    key: value.to(parameter.device, copy=True) for key, value in saved.items()
                }
                continue
            flat = self._partition(parameter)
            mine = adam.state[flat]
            if not mine:
                mine["step"] = saved["step"].to(flat.device, copy=True)
                mine.update({key: torch.zeros_like(flat) for key in MOMENTS})
            for key in MOMENTS:
                for here, there in self._fragment(parameter, saved[key], mine[key]):
                    there.copy_(here)

    def whole(self) -> AbstractContextManager[None]:
        """See `Engine`. Below ZeRO 3, every process holds whole weights."""
        return nullcontext()

    def close(self, *, whole: bool = True) -> None:
        """See `Engine`."""
        self._adam().state.clear()
        self.engine.destroy()  # The model's hooks hold the rest, which is freed with the model.

    def _gathered(self, parameter: nn.Parameter, partition: torch.Tensor) -> torch.Tensor:
        """Return the values of a parameter from the partitions of all processes, in its shape."""
        whole = torch.zeros_like(parameter)
        for here, there in self._fragment(parameter, whole, partition):
            here.copy_(there)
        return total(whole)

    def _fragment(
        self, parameter: nn.Parameter, values: torch.Tensor, partition: torch.Tensor
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield (part of `values`, part of `partition`): views of the part of a parameter that this process holds.

        `values` has the parameter's shape, `partition` that of the flat partition. Yields nothing if the process holds
        no part of the parameter.
        """
        if (mapping := parameter._hp_mapping) is not None:
            here, there = mapping.lp_fragment_address, mapping.hp_fragment_address
            yield (
                values.view(-1).narrow(0, here.start, here.numel),
                partition.narrow(0, there.start, there.numel),
            )

    def _adam(self) -> torch.optim.AdamW:
        """Return the AdamW inside ZeRO's optimiser."""
        return self.engine.optimizer.optimizer if self.zero_stage else self.engine.optimizer

    def _partition(self, parameter: nn.Parameter) -> torch.Tensor:
        """Return this process's flat partition of the parameter's group."""
        zero = self.engine.optimizer
        for group, flat in zip(zero.bit16_groups, zero.single_partition_of_fp32_groups, strict=True):
            if any(parameter is member for member in group):
                return flat
        raise AssertionError("a trained parameter is in no group of ZeRO's optimiser")


def deepspeed_config(settings: OptimiserConfig, engine: EngineConfig, rows: int) -> dict:
    """Return DeepSpeed's configuration.

    Args:
        settings: Batch size and clipping.
        engine: ZeRO stage, offloading and precision.
        rows: Rows of the batch in one pass of a process.
    """
    zero: dict = {"stage": engine.zero_stage}
    if engine.zero_stage == 3:
        zero["stage3_param_persistence_threshold"] = 0  # Else every process would keep small weights whole.
    if engine.offload:
        zero["offload_optimizer"] = {"device": "cpu", "pin_memory": torch.cuda.is_available()}
    return {
        "train_micro_batch_size_per_gpu": rows,
        "gradient_accumulation_steps": settings.batch_size // (rows * world_size()),
        "gradient_clipping": settings.clip_norm,
        "zero_optimization": zero,
        # PyTorch's AdamW needs no compiled extension, not even on the CPU.
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
        # Weights, gradients and their sums over processes stay in fp32; only matrix products are in bfloat16.
        "torch_autocast": {
            "enabled": engine.precision == "bf16",
            "dtype": "bfloat16",
            "lower_precision_safe_modules": [],
        },
        "steps_per_print": 10**9,
    }


def _import_deepspeed():
    silence_deepspeed()
    try:
        import deepspeed
    except ImportError as error:
        raise TglError(f"engine 'deepspeed': {error}. Install it, or set train.engine to 'plain'") from None
    # DeepSpeed would compile this extension for minutes at start-up; gloo replaces it.
    compatible = getattr(getattr(deepspeed, "ops", None), "__compatible_ops__", None)
    if isinstance(compatible, dict):
        compatible["deepspeed_shm_comm"] = False
    join()  # Without a process group, DeepSpeed would ask for MPI if torchrun has set no variables.
    os.environ.setdefault("LOCAL_RANK", "0")  # DeepSpeed needs it even with a process group.
    deepspeed.init_distributed()
    return deepspeed
