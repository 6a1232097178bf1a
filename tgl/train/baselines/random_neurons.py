"""Control of `neurons`: as many random neurons in the same sublayers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tgl.train.baselines.neurons import Neurons, NeuronsConfig

if TYPE_CHECKING:
    import torch


class RandomNeuronsConfig(NeuronsConfig):
    """Random neurons: the control of `neurons`."""


class RandomNeurons(Neurons):
    """Train random neurons, as many in each sublayer as `neurons` trains."""

    Settings = RandomNeuronsConfig

    def chosen(
        self, scores: Mapping[str, torch.Tensor], best: Mapping[str, torch.Tensor], seed: int
    ) -> Mapping[str, torch.Tensor]:
        """See `Neurons`."""
        import torch

        from tgl.train.neurons import lowest_alike

        generator = torch.Generator().manual_seed(seed)
        drawn = {unit: torch.rand(len(mask), generator=generator) for unit, mask in best.items()}
        return lowest_alike(drawn, best)


BASELINE = RandomNeurons
