"""K-Adapter (Wang et al. 2021, arXiv 2002.01808) as a baseline: the model is frozen, adapters next to it learn.

The model with adapters is `tgl.models.k_adapter`. The adapters go next to blocks of which the plan trains a sublayer.
The plan's multipliers have no other effect, because an adapter belongs to a block and not to a sublayer.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from tgl.core.config_types import Integer, Section
from tgl.core.errors import TglError
from tgl.core.vocabulary import ADAPTER
from tgl.plans.policy import POLICIES
from tgl.train.baseline import Baseline, Prepared, Start

if TYPE_CHECKING:
    from tgl.models.settings import ModelConfig
    from tgl.plans.names import PlanName
    from tgl.plans.plan import Plan
    from tgl.train.run import Period


class KAdapterConfig(Section):
    """K-Adapter: small transformer layers next to the frozen model."""

    adapters: Annotated[Integer, Field(ge=1, le=1000)] = Field(
        3, description="Number of adapters, 1 to 1000, spread evenly over the blocks that the plan trains."
    )
    layers: Annotated[Integer, Field(ge=1, le=1000)] = Field(
        2, description="Transformer layers in each adapter, 1 to 1000."
    )
    width: Annotated[Integer, Field(ge=1, le=65_536)] = Field(
        32, description="Hidden size of the adapters' layers, 1 to 65,536, a multiple of heads."
    )
    heads: Annotated[Integer, Field(ge=1, le=1024)] = Field(
        2, description="Attention heads of the adapters' layers, 1 to 1024."
    )
    between: Literal["keep", "new"] = Field(
        "keep",
        description="After a period. keep: continue to train the adapters; new: restart from the base model.",
    )

    def problems(self) -> Iterator[str]:
        """See `Section`."""
        if self.width % self.heads:
            yield f"width: {self.width} is not a multiple of heads {self.heads}; expected a multiple"


class KAdapter(Baseline):
    """Train only adapters. The checkpoint is the model with its adapters."""

    by_matrix = False
    recomputes = False
    partitions = False
    Settings = KAdapterConfig
    settings: KAdapterConfig

    @property
    def start(self) -> Start:
        """Return the start of a period: the previous period's model with adapters for 'keep', else the base model."""
        return Start.BASE if self.settings.between == "new" else Start.PREVIOUS

    def problems(
        self, plan: PlanName, *, embedding: str, model: ModelConfig, rates: Sequence[float]
    ) -> Iterator[str]:
        """See `Baseline`."""
        if embedding == "trained":
            yield "trains the unit embedding, but k_adapter trains only adapters; set plan.embedding to 'frozen'"
        if POLICIES.get(plan.policy).num_phases > 1:
            yield "has phases, but k_adapter trains the same adapters in the whole run; use another baseline"

    def check(self, plan: Plan, learning_rate: float) -> None:
        """See `Baseline`. K-Adapter supports neither phases nor a trained embedding."""
        if plan.later:
            raise TglError(
                f"k_adapter: the plan '{plan.method}' has {len(plan.phases)} phases, but K-Adapter trains the same "
                "adapters in the whole run. Use this plan with another baseline"
            )
        if plan.embedding > 0:
            raise TglError(
                f"k_adapter: the plan '{plan.method}' trains the unit embedding, but K-Adapter freezes the model. "
                "Set plan.embedding to 'frozen', or use this plan with another baseline"
            )

    def prepare(self, period: Period) -> Prepared:
        """See `Baseline`. Add adapters to `period.model`; existing adapters stay, even if the plan has changed.

        Weights get weight decay; norms and biases do not. All train at the run's learning rate, because multipliers do
        not scale it.

        Raises:
            TglError: The plan does not fit the model.
        """
        from tgl.models.k_adapter import KAdapterForCausalLM
        from tgl.models.sublayers import sublayers
        from tgl.plans.apply import parameter_groups

        if not isinstance(period.model, KAdapterForCausalLM):
            period.model = self._with_adapters(period)

        def groups(phase: Plan) -> list[dict]:
            period.model.train_adapters_alone()
            units = [unit for unit in sublayers(period.model) if unit.name == ADAPTER]
            whole = dataclasses.replace(phase, multipliers={ADAPTER: 1.0})
            return parameter_groups(
                units, whole, period.learning_rate, weight_decay=period.settings.weight_decay
            )

        return Prepared(period.model, sublayers(period.model), {ADAPTER}, groups)

    def _with_adapters(self, period: Period):
        """Return the model with adapters, evenly spread over the blocks of which the plan trains a sublayer.

        The last of these blocks always has an adapter. If there are fewer blocks than adapters, each block has one.
        """
        from tgl.models.k_adapter import spread, with_adapters
        from tgl.models.sublayers import ranked, sublayers
        from tgl.plans.apply import freeze

        wanted = self.settings
        freeze(period.model, period.plan)  # This checks the plan. `groups` sets requires_grad again.
        units = ranked(sublayers(period.model))
        trained = sorted({unit.block for unit in units if period.plan.of(unit.name) > 0})
        chosen = [trained[place] for place in spread(min(wanted.adapters, len(trained)), len(trained))]
        return with_adapters(
            period.model, chosen, wanted.layers, width=wanted.width, heads=wanted.heads, seed=period.seed
        )


BASELINE = KAdapter
