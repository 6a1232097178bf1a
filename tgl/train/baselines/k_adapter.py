"""K-Adapter (Wang et al. 2021, arXiv 2002.01808) as a baseline: the model stays as it is, adapters beside it learn.

The model with adapters is `tgl.k_adapter`. A plan says where adapters stand: beside blocks of which it trains a
sublayer. Its multipliers do not scale anything: an adapter belongs to a block, not to a sublayer.
"""

from __future__ import annotations

import dataclasses

from torch import nn

from tgl.config_baselines import KAdapterConfig
from tgl.errors import TglError
from tgl.k_adapter import KAdapterForCausalLM, spread, with_adapters
from tgl.plans.plan import Plan
from tgl.sublayer_names import ADAPTER
from tgl.sublayers import ranked, sublayers
from tgl.train.baselines.plain import Period, Plain
from tgl.train.groups import freeze, parameter_groups


class KAdapter(Plain):
    """Adapters alone are trained; the checkpoint that is written is the model with them."""

    settings: KAdapterConfig

    def check(self, plan: Plan, learning_rate: float) -> None:
        """See `Plain`: neither phases nor a trained embedding go with adapters beside a frozen model."""
        if plan.later:
            raise TglError(
                f"k_adapter: the plan '{plan.method}' has {1 + len(plan.later)} phases, and an adapter stands beside a "
                "block for the whole run or not at all; put this plan on another baseline"
            )
        if plan.embedding > 0:
            raise TglError(
                f"k_adapter: the plan '{plan.method}' trains the unit embedding, and K-Adapter freezes the model; "
                "set plan.embedding to 'frozen', or put this plan on another baseline"
            )

    def starts_from_base(self, number: int) -> bool:
        """See `Plain`: with between 'keep' a period goes on with the model and the adapters of the one before."""
        return number == 0 or self.settings.between == "new"

    def module(self, period: Period) -> nn.Module:
        """See `Plain`: put adapters beside `period.model`; where it has them they stay, whatever the plan says now.

        They stand beside blocks of which the plan trains a sublayer, evenly spread over these, the last one included;
        beside each of them when they are fewer than the configured adapters. Raises TglError for a plan that does not
        fit the model.
        """
        if not isinstance(period.model, KAdapterForCausalLM):
            wanted = self.settings
            freeze(period.model, period.plan)  # for its checks; what it sets is set anew below
            units = ranked(sublayers(period.model))
            trained = sorted({unit.block for unit in units if period.plan.of(unit.name) > 0})
            chosen = [trained[place] for place in spread(min(wanted.adapters, len(trained)), len(trained))]
            period.model = with_adapters(
                period.model, chosen, wanted.layers, wanted.width, wanted.heads, period.seed
            )
        return period.model

    def trained(self, plan: Plan) -> set[str]:
        """See `Plain`."""
        return {ADAPTER}

    def groups(self, period: Period, phase: Plan) -> list[dict]:
        """See `Plain`: weights with decay, norms and biases without, at the run's learning rate itself.

        A multiplier that is not 0 does not scale it.
        """
        period.model.train_adapters_alone()
        units = [unit for unit in sublayers(period.model) if unit.name == ADAPTER]
        whole = dataclasses.replace(phase, multipliers={ADAPTER: 1.0})
        return parameter_groups(units, whole, period.learning_rate, period.settings.weight_decay)
