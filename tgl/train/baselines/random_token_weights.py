"""Control of `token_weights`: as many random tokens have the same weight."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tgl.train.baselines.token_weights import TokenWeights, TokenWeightsConfig

if TYPE_CHECKING:
    from tgl.train.baseline import Prepared
    from tgl.train.engines import Regulariser
    from tgl.train.run import Period


class RandomTokenWeightsConfig(TokenWeightsConfig):
    """Random token weights: the control of `token_weights`."""


class RandomTokenWeights(TokenWeights):
    """Plain training with random weighted tokens."""

    Settings = RandomTokenWeightsConfig
    depends_on_passes = True  # Each pass and process draws its own weights.

    def regulariser(self, period: Period, prepared: Prepared) -> Regulariser:
        """See `Baseline`."""
        from tgl.train.token_weights import RandomWeights

        return RandomWeights(self.settings.share, self.settings.factor)


BASELINE = RandomTokenWeights
