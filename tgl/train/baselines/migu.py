"""Magnitude-based gradient updating (MIGU, Du et al. 2024, arXiv 2406.17245): update rows with large outputs.

For each linear map h = W x of the plan's sublayers, n_i = |h_i| / sum_j |h_j| is averaged over the tokens of a pass.
Only the gradients of the rows with the largest n_i reach the optimiser in this step. Each pass has its own mask. As in
the paper, only gradients are masked, so AdamW's moments from earlier steps and weight decay still move the other rows.
Norms and biases outside linear maps are updated as in plain training. The share of rows is our choice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from tgl.core.config_types import Number, Section
from tgl.core.errors import TglError
from tgl.train.baseline import Baseline, Prepared

if TYPE_CHECKING:
    import torch
    from torch.utils.hooks import RemovableHandle
    from transformers import PreTrainedModel

    from tgl.models.linear import LinearMap
    from tgl.train.run import Period


class MiguConfig(Section):
    """MIGU: update only rows of linear maps with large outputs."""

    share: Annotated[Number, Field(gt=0, le=1)] = Field(
        0.3, description="Share of the rows of each linear map that a step updates, above 0, at most 1."
    )


@dataclass(frozen=True)
class Hooked(Prepared):
    """What a period trains, and the hooks to remove after it."""

    handles: tuple[RemovableHandle, ...] = ()


class Migu(Baseline):
    """Mask the gradients of each step."""

    recomputes = False
    depends_on_passes = True
    partitions = False
    Settings = MiguConfig
    varied = "share"
    settings: MiguConfig

    def prepare(self, period: Period) -> Hooked:
        """See `Baseline`.

        Raises:
            TglError: A trained sublayer has other matrices than linear maps.
        """
        from tgl.models.linear import check_linear

        plain = super().prepare(period)
        trained = [unit for unit in plain.units if unit.name in plain.trained]
        handles: list[RemovableHandle] = []
        for linear in check_linear(trained, "migu"):
            handles += _hooks(linear, self.settings.share)
        return Hooked(plain.module, plain.units, plain.trained, plain.groups, tuple(handles))

    def finish(self, period: Period, prepared: Prepared) -> PreTrainedModel:
        """See `Baseline`. Remove the hooks."""
        for handle in prepared.handles:
            handle.remove()
        return period.model


def _hooks(linear: LinearMap, share: float) -> list[RemovableHandle]:
    """Add hooks that note the outputs of a linear map and mask the gradients of its parameters."""
    import torch

    from tgl.train.masks import lowest

    masks: dict[str, torch.Tensor] = {}

    def note(_, __, output: torch.Tensor) -> None:
        if torch.is_grad_enabled():  # Scoring between two steps is no pass of the training.
            masks.update(linear.masks(lowest(-magnitudes(output), share)))

    def masked(name: str) -> Callable[[torch.Tensor], torch.Tensor]:
        def mask(gradient: torch.Tensor) -> torch.Tensor:
            if name not in masks:
                raise TglError(
                    f"migu: the model uses {name} without calling its module, expected a call with an output. Use "
                    "another baseline for this model"
                )
            return gradient * masks[name]

        return mask

    handles = [linear.module.register_forward_hook(note)]
    for leaf, parameter in linear.module.named_parameters(recurse=False):
        parameter.requires_grad_(True)  # Only such a parameter accepts a hook; `groups` sets this again.
        handles.append(parameter.register_hook(masked(f"{linear.name}.{leaf}")))
    return handles


def magnitudes(output: torch.Tensor) -> torch.Tensor:
    """Return the share of each output in the L1 norm of a token's outputs, averaged over tokens.

    Args:
        output: The outputs of a linear map [..., num_outputs].

    Returns:
        Shares [num_outputs]. Tokens whose outputs are all 0 count as 0.
    """
    import torch

    size = output.detach().abs().float().flatten(0, -2)
    return (size / size.sum(-1, keepdim=True).clamp(min=torch.finfo(size.dtype).tiny)).mean(0)


BASELINE = Migu
