"""Train the sublayers whose weights have the highest signal-to-noise ratio, up to the budget of the traced set.

As in Spectrum (Hartford et al. 2024, arXiv 2406.06623). `tgl.plans.signal_to_noise` defines the ratio.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tgl.core.errors import TglError
from tgl.plans.names import PlanName
from tgl.plans.policy import Choice, Policy, Unit
from tgl.plans.ranking import head_at_budget

if TYPE_CHECKING:
    from torch import nn


def measure(model: nn.Module, names: Sequence[str]) -> Mapping[str, float]:
    """Return the signal-to-noise ratio of each unit of the model, sublayers or matrices as in `names`."""
    from tgl.plans.signal_to_noise import unit_ratios

    return unit_ratios(model, names)


def choose(name: PlanName, units: Sequence[Unit], rng: random.Random) -> Choice:
    """Choose sublayers by descending ratio, up to the budget.

    Raises:
        TglError: The ratios were not measured.
    """
    if any(unit.measured is None for unit in units):
        raise TglError(
            "plan 'spectrum': found no model, but the plan depends on its weights. Give the model (--model FOLDER)"
        )
    ordered = sorted(units, key=lambda unit: (-unit.measured, unit.name))
    return head_at_budget(units, [unit.name for unit in ordered], name.top)


POLICY = Policy(choose, frozenset({"profile", "top"}), measure, control_of=("tgl_fp",))
