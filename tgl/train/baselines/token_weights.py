"""Weight the tokens with high excess loss in the training loss (`tgl.train.token_weights`); ours.

The control `random_token_weights` weights as many random tokens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from tgl.core.config_types import Number, Section
from tgl.train.baseline import Baseline, Prepared

if TYPE_CHECKING:
    from tgl.train.engines import Regulariser
    from tgl.train.run import Period


class TokenWeightsConfig(Section):
    """Token weights: train more on tokens with high excess loss."""

    share: Annotated[Number, Field(gt=0, lt=1)] = Field(
        0.25, description="Share of the tokens of each row that is weighted, above 0, below 1."
    )
    factor: Annotated[Number, Field(ge=1, le=1_000_000)] = Field(
        5.0, description="Weight of these tokens over that of the others, 1 to 1,000,000."
    )


class TokenWeights(Baseline):
    """Plain training with weighted tokens."""

    Settings = TokenWeightsConfig
    varied = "factor"
    settings: TokenWeightsConfig

    def regulariser(self, period: Period, prepared: Prepared) -> Regulariser:
        """See `Baseline`."""
        from tgl.train.token_weights import ExcessWeights

        return ExcessWeights(self.settings.share, self.settings.factor)


BASELINE = TokenWeights
