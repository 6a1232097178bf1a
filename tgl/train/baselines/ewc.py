"""Elastic weight consolidation (Kirkpatrick et al. 2017, arXiv 1612.00796): important weights move less.

loss = task + lambda / 2 * sum_i F_i * (theta_i - theta0_i)^2. theta0 are the weights before the period. F is the
diagonal of the model's Fisher information on old text, per token:

    F_i = 1 / (N T) * sum_n (d/d theta_i sum_t log p(y_nt | x_n,<t))^2

over N sequences x_n of T predicted tokens, with labels y_nt drawn from the model's own distribution. (The labels of the
text would give the "empirical" Fisher, a different quantity: Kunstner et al. 2019.) With drawn labels, the gradients of
the tokens are uncorrelated and have mean zero, so the square of their sum is on average the sum of their squares.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from tgl.core.config_types import Factor, Integer, Section
from tgl.train.baseline import Baseline, Prepared

if TYPE_CHECKING:
    from tgl.train.engines import Regulariser
    from tgl.train.run import Period


class EwcConfig(Section):
    """EWC: a quadratic penalty, weighted by the diagonal Fisher information of old text."""

    strength: Factor = Field(5000.0, description="Weight lambda of the penalty, above 0.")
    sequences: Annotated[Integer, Field(ge=1, le=1_000_000)] = Field(
        64,
        description="Sequences of old text from which the Fisher information is estimated, 1 to 1,000,000.",
    )


class Ewc(Baseline):
    """Plain training with the penalty on all parameters that the plan trains in any phase."""

    partitions = False
    Settings = EwcConfig
    varied = "strength"
    settings: EwcConfig

    def regulariser(self, period: Period, prepared: Prepared) -> Regulariser:
        """See `Baseline`."""
        import torch

        from tgl.profiling.fisher import fisher_diagonal
        from tgl.train.fisher import Consolidation

        parameters = prepared.trained_parameters()
        old = period.old_stream().batch(0, self.settings.sequences, period.block_size)
        fisher = fisher_diagonal(period.model, parameters, torch.from_numpy(old), seed=period.seed)
        return Consolidation(parameters, fisher, self.settings.strength)


BASELINE = Ewc
