"""A callback that applies a plan in the Trainer of transformers, and so in trl's SFTTrainer.

The Trainer loads a checkpoint into the optimiser before any callback gets the optimiser. The optimiser therefore keeps
the groups that the Trainer made. During each step it gets smaller groups instead, one for each multiplier.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn
from transformers import TrainerCallback

from tgl.core.errors import TglError
from tgl.models.matrices import units_named
from tgl.plans.apply import freeze
from tgl.plans.plan import Phase, Plan, load_plan
from tgl.plans.step_rates import StepRates, inner, unfit

if TYPE_CHECKING:
    from transformers import TrainingArguments


class PlanCallback(TrainerCallback):
    """Train by a plan in a Hugging Face Trainer: `Trainer(..., callbacks=[PlanCallback("plan.json")])`.

    It freezes what the plan freezes. In each step it multiplies the rate of each parameter by the multiplier of its
    sublayer. Outside a step, the optimiser's groups, the scheduler, the checkpoints and the logged `learning_rate` hold
    the rate at multiplier 1. Each phase begins with an empty optimiser state, as in tgl's own training. At the end of
    the run, parameters that the plan never trains must be unchanged, bit by bit.

    Args:
        plan: The plan, or the path of its file.
        norms_every: Number of steps between two logs of `grad_norm/<sublayer>`. 0: never. The value is the L2 norm of
            the gradient that the Trainer computed for the batch, before clipping. Frozen sublayers have none.

    Raises:
        TglError: The plan cannot be read, or a value is out of its range. During training: the plan does not fit the
            model; parameters are sharded (FSDP, DeepSpeed); the rates of the optimiser cannot be multiplied; or a
            frozen parameter has changed.
    """

    def __init__(self, plan: Plan | str | Path, *, norms_every: int = 0) -> None:
        if type(norms_every) is not int or norms_every < 0:
            raise TglError(
                f"norms_every: found {norms_every!r}, expected a whole number from 0 on. Correct it"
            )
        if not isinstance(plan, Plan | str | Path):
            raise TglError(
                f"plan: found {type(plan).__name__}, expected a Plan or the path of a file. Load the plan"
            )
        self.plan = plan if isinstance(plan, Plan) else load_plan(plan)
        self.plan.check()
        self.norms_every = norms_every
        self._number = 0
        self._rates: StepRates | None = None
        self._norms: dict[str, float] = {}

    def on_init_end(self, args, state, control, *, model, **_) -> None:
        """Freeze what no phase trains. The Trainer makes its optimiser from the other parameters."""
        _refuse_sharded(args, model)
        freeze(model, _all_phases(self.plan, self.plan.phases))

    def on_train_begin(self, args, state, control, *, model, optimizer, **_) -> None:
        """Check the optimiser, hash frozen parameters, and begin the phase of the current step."""
        _refuse_sharded(args, model)
        self._schedule = self.plan.schedule(max(state.max_steps, 1))
        plans = [plan for _, plan in self._schedule]
        if len(plans) > 1 and args.world_size > 1 and not args.ddp_find_unused_parameters:
            raise TglError(
                f"plan '{self.plan.method}': found {len(plans)} phases in {args.world_size} processes, expected "
                "ddp_find_unused_parameters=True, because phases freeze parameters. Set it in TrainingArguments"
            )
        freeze(model, _all_phases(self.plan, plans))
        trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
        self._hashes = {name: _hash(p) for name, p in model.named_parameters() if name not in trained}
        self._units = units_named(model, self.plan.multipliers)
        multipliers = {
            parameter: tuple(plan.of(unit.name) for plan in plans)
            for unit in self._units
            for parameter in unit.parameters.values()
        }
        # Each phase is tried now, so that a phase that does not fit fails here and not in the middle of the run.
        for plan in plans:
            freeze(model, plan)
        self._stop()
        self._rates = StepRates(inner(optimizer), multipliers, trained)
        # A run that resumes at the first step of a phase begins the phase in `on_step_begin`.
        self._begin(model, self._phase_at(max(state.global_step - 1, 0)))

    def on_step_begin(self, args, state, control, *, model, **_) -> None:
        """Begin a phase in its first step."""
        self._norms = {}
        number = self._phase_at(state.global_step)
        if number != self._number:
            self._rates.optimiser.state.clear()
            self._begin(model, number)

    def on_pre_optimizer_step(self, args, state, control, **_) -> None:
        """Compute gradient norms in every `norms_every`-th step."""
        self._rates.stepped = False
        if self.norms_every and (state.global_step + 1) % self.norms_every == 0:
            for unit in self._units:
                found = [p.grad for p in unit.parameters.values() if p.grad is not None]
                if found:
                    norms = torch.stack([torch.linalg.vector_norm(g, dtype=torch.float32) for g in found])
                    self._norms[unit.name] = torch.linalg.vector_norm(norms).item()

    def on_optimizer_step(self, args, state, control, *, optimizer, **_) -> None:
        """Check that the step used the multiplied rates. A step that overflows in fp16 is skipped by the Trainer."""
        if not self._rates.stepped and not getattr(optimizer, "step_was_skipped", False):
            raise unfit(self._rates.optimiser, "it trains outside of its method `step`")

    def on_step_end(self, args, state, control, **_) -> None:
        """Ask the Trainer to log if there are gradient norms."""
        control.should_log = control.should_log or bool(self._norms)

    def on_log(self, args, state, control, *, logs, **_) -> None:
        """Add the gradient norms to the log and to the Trainer's history."""
        if not self._norms or "grad_norm" not in logs:
            return
        # The gradients are clipped by now. The Trainer logs the norm of all gradients before clipping.
        clipped = math.hypot(*self._norms.values())
        scale = logs["grad_norm"] / clipped if clipped else 1.0
        found = {f"grad_norm/{name}": norm * scale for name, norm in self._norms.items()}
        logs.update(found)
        if state.log_history and state.log_history[-1].get("step") == state.global_step:
            state.log_history[-1].update(found)
        self._norms = {}

    def on_train_end(self, args, state, control, *, model, **_) -> None:
        """Check that parameters that the plan never trains are unchanged, bit by bit."""
        self._stop()
        parameters = dict(model.named_parameters())
        for name, expected in self._hashes.items():
            if name not in parameters or _hash(parameters[name]) != expected:
                raise TglError(
                    f"plan '{self.plan.method}': found other values of '{name}' after training, expected those from "
                    "before, because the plan never trains it. Find the code that changes it, and train again"
                )

    def _phase_at(self, step: int) -> int:
        return max(number for number, (first, _) in enumerate(self._schedule) if first <= step)

    def _begin(self, model: nn.Module, number: int) -> None:
        self._number = self._rates.number = number
        freeze(model, self._schedule[number][1])
        for parameter in model.parameters():
            if not parameter.requires_grad:
                parameter.grad = None

    def _stop(self) -> None:
        if self._rates:
            self._rates.remove()
            self._rates = None


def _all_phases(plan: Plan, phases: Iterable[Phase | Plan]) -> Plan:
    """Return a plan that trains what any of the phases trains."""
    phases = list(phases)
    most = {name: max(phase.multipliers[name] for phase in phases) for name in plan.multipliers}
    return replace(plan, multipliers=most, later=())


def _hash(tensor: torch.Tensor) -> str:
    return sha256(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()).hexdigest()


def _refuse_sharded(args: TrainingArguments, model: nn.Module) -> None:
    found = "DeepSpeed" if args.deepspeed else "FSDP" if args.fsdp else ""
    for name, parameter in model.named_parameters():
        if hasattr(parameter, "ds_id") or any(kind.__name__ == "DTensor" for kind in type(parameter).__mro__):
            found = found or f"'{name}' divided among processes"
        if parameter.is_meta:
            found = found or f"'{name}' on the device meta"
    if found:
        raise TglError(
            f"PlanCallback: found {found}, expected whole parameters in each process, as with DDP. "
            "Turn off sharding and offloading"
        )
