"""The engine with DeepSpeed's ZeRO 3: each process holds a part of every weight, besides gradients and optimiser state.

DeepSpeed gathers the weights of a module when it runs. Outside a step, no process has whole weights: `whole` gathers
them for scoring, and `close` leaves an ordinary model in each process.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import nn

from tgl.train.engines.interface import MOMENTS
from tgl.train.engines.with_deepspeed import DeepSpeedEngine


class PartitionedEngine(DeepSpeedEngine):
    """See `Engine`."""

    def __init__(self, model: nn.Module, *arguments: object, **options: object) -> None:
        self._own = {module: set(vars(module)) for module in model.modules()}
        super().__init__(model, *arguments, **options)

    def state(self) -> dict[str, torch.Tensor]:
        """See `Engine`."""
        from deepspeed.utils import safe_get_full_optimizer_state

        found = {}
        for name, parameter in self.model.named_parameters():
            with self._gathered_weights([parameter]):
                found[f"weight/{name}"] = parameter.detach().to("cpu", copy=True)
        steps = self._steps()
        for name, parameter in self._trained():
            found[f"step/{name}"] = steps[0].detach().to("cpu", copy=True)
            for key in MOMENTS:
                found[f"{key}/{name}"] = safe_get_full_optimizer_state(parameter, key).to("cpu", copy=True)
        return found

    def load(self, state: Mapping[str, torch.Tensor]) -> None:
        """See `Engine`."""
        from deepspeed.utils import safe_set_full_fp32_param, safe_set_full_optimizer_state

        for name, parameter in self.model.named_parameters():
            # Every process has the whole state, and DeepSpeed sends the values of the first.
            with self._gathered_weights([parameter], sender=0), torch.no_grad():
                parameter.copy_(state[f"weight/{name}"])
        for flat in self.engine.optimizer.fp32_partitioned_groups_flat:
            own = self._adam().state[flat]  # Empty before the first step.
            if not own:
                own["step"] = torch.zeros((), dtype=torch.float32, device=flat.device)
                own.update({key: torch.zeros_like(flat) for key in MOMENTS})
        for name, parameter in self._trained():
            device = parameter.ds_tensor.device
            safe_set_full_fp32_param(parameter, state[f"weight/{name}"].to(device))
            for key in MOMENTS:
                safe_set_full_optimizer_state(parameter, state[f"{key}/{name}"].to(device), key)
            step = state[f"step/{name}"]
        for own in self._steps():
            own.copy_(step)

    def _steps(self) -> list[torch.Tensor]:
        """Return AdamW's counts of steps, which are equal: every parameter has its gradient in every step."""
        return [kept["step"] for kept in self._adam().state.values()]

    @contextmanager
    def whole(self) -> Iterator[None]:
        """See `Engine`. Without DeepSpeed's hooks, one process can run the model alone."""
        offload = self.engine.optimizer.parameter_offload
        offload._remove_module_hooks()
        for kept in (offload.forward_hooks, offload.backward_hooks):
            kept.clear()
        try:
            with self._gathered_weights(list(self.model.parameters())):
                yield
        finally:
            offload.setup_zero_stage3_hooks()

    def close(self, *, whole: bool = True) -> None:
        """See `Engine`."""
        if not whole:  # DeepSpeed's own end needs the other processes too.
            return
        values = {}
        for parameter in self.model.parameters():
            with self._gathered_weights([parameter]):
                values[parameter] = parameter.detach().clone()
        optimiser = self.engine.optimizer
        super().close()
        self.engine._modules.clear()
        _let_go(optimiser, self.model)
        for parameter, value in values.items():
            vars(parameter).clear()  # What DeepSpeed added. A later engine would take it for a part.
            parameter.data = value
        for module in self.model.modules():
            module._parameters = dict(module._parameters)
            for name in [name for name in vars(module) if name not in self._own[module]]:
                delattr(module, name)

    def _gathered_weights(self, parameters: list[nn.Parameter], sender: int | None = None):
        from deepspeed.runtime.zero import GatheredParameters

        return GatheredParameters(parameters, modifier_rank=sender)


def _let_go(optimiser: object, model: nn.Module) -> None:
    """Take the model from what DeepSpeed keeps after it was destroyed: a list, a cache, and hooks inside autograd."""
    from deepspeed.runtime.zero.parameter_offload import FWD_MODULE_STACK
    from deepspeed.runtime.zero.partitioned_param_coordinator import PartitionedParameterCoordinator

    FWD_MODULE_STACK[:] = [module for module in FWD_MODULE_STACK if module is not model]
    cached = PartitionedParameterCoordinator._PartitionedParameterCoordinator__params_to_release
    while not hasattr(cached, "cache_clear"):  # Decorators around it do not name what they wrap.
        cached = next(c.cell_contents for c in cached.__closure__ if callable(c.cell_contents))
    cached.cache_clear()
    vars(optimiser.parameter_offload).clear()
    vars(optimiser).clear()
