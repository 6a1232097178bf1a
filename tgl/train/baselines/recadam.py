"""RecAdam (Chen et al. 2020, arXiv 2004.12651): Adam with a pull towards the weights at the start.

loss(t) = w(t) * task + (1 - w(t)) * gamma / 2 * |theta - theta0|^2 with w(t) = 1 / (1 + exp(-k * (t - t0))). The
penalty is decoupled, as in the paper: only the task's gradient passes through Adam, whose step is scaled by w(t). Then
theta moves by lr * (1 - w(t)) * gamma * (theta0 - theta), and weight decay has its full rate. theta0 are the weights
before the period. The paper gives k and t0 in steps; here they are shares of the length of the run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from tgl.core.config_types import Factor, Number, Section, Share
from tgl.core.errors import TglError
from tgl.train.baseline import Baseline, Prepared

if TYPE_CHECKING:
    from tgl.models.settings import ModelConfig
    from tgl.plans.names import PlanName
    from tgl.plans.plan import Plan
    from tgl.train.engines import Regulariser
    from tgl.train.run import Period


class RecadamConfig(Section):
    """RecAdam: a pull towards the weights before the period that weakens during the run."""

    strength: Factor = Field(
        100.0, description="Strength gamma of the pull; strength * learning rate must be below 1."
    )
    midpoint_share: Share = Field(
        0.25,
        description="Share of the run after which task and pull have the same weight, 0 to below 1.",
    )
    rise_share: Annotated[Number, Field(ge=1e-6, le=1)] = Field(
        0.2,
        description="Share of the run in which the task's weight rises from 0.12 to 0.88, 0.000001 to 1.",
    )


class Recadam(Baseline):
    """Plain training with RecAdam as its optimiser."""

    partitions = False
    Settings = RecadamConfig
    varied = "strength"
    settings: RecadamConfig

    def problems(
        self, plan: PlanName, *, embedding: str, model: ModelConfig, rates: Sequence[float]
    ) -> Iterator[str]:
        """See `Baseline`."""
        strength, rate = self.settings.strength, max(rates)
        if plan.policy != "full_at_mean_lr" and strength * rate >= 1:
            yield (
                f"pulls too far: baselines.recadam.strength {strength:g} * learning rate {rate:g} must be "
                "below 1; lower one of them"
            )

    def check(self, plan: Plan, learning_rate: float) -> None:
        """See `Baseline`. The pull of one step must not overshoot its anchor."""
        largest = max(
            [plan.embedding, *(value for phase in plan.phases for value in phase.multipliers.values())]
        )
        if learning_rate * largest * self.settings.strength >= 1:
            raise TglError(
                f"recadam: learning rate {f'{learning_rate:g}'} * largest multiplier {largest:g} * "
                f"baselines.recadam.strength {self.settings.strength:g} must be "
                "below 1, or the pull overshoots. Lower one of them"
            )

    def regulariser(self, period: Period, prepared: Prepared) -> Regulariser:
        """See `Baseline`."""
        from tgl.train.recall import Recall

        return Recall(prepared.trained_parameters(), period.settings.steps, self.settings)


BASELINE = Recadam
