"""Control of `neurons`: as many neurons with the lowest scores in the same sublayers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tgl.train.baselines.neurons import Neurons, NeuronsConfig

if TYPE_CHECKING:
    import torch


class LowestNeuronsConfig(NeuronsConfig):
    """Lowest neurons: the control of `neurons` in reverse."""


class LowestNeurons(Neurons):
    """Train the neurons with the lowest scores, as many in each sublayer as `neurons` trains."""

    Settings = LowestNeuronsConfig

    def chosen(
        self, scores: Mapping[str, torch.Tensor], best: Mapping[str, torch.Tensor], seed: int
    ) -> Mapping[str, torch.Tensor]:
        """See `Neurons`."""
        from tgl.train.neurons import lowest_alike

        return lowest_alike(scores, best)


BASELINE = LowestNeurons
