"""Train a single sublayer, given by its number in order of depth: `only.3`."""

from __future__ import annotations

import random
from collections.abc import Sequence

from tgl.core.errors import TglError
from tgl.plans.names import PlanName
from tgl.plans.policy import Choice, Policy, Unit


def choose(name: PlanName, units: Sequence[Unit], rng: random.Random) -> Choice:
    """Choose the sublayer with this number.

    Raises:
        TglError: The model has no such sublayer.
    """
    if name.number >= len(units):
        raise TglError(
            f"plan 'only.{name.number}': there are {len(units)} sublayers, numbered from 0. "
            f"Choose a number up to {len(units) - 1}"
        )
    chosen = units[name.number].name
    return Choice.only(units, {chosen}, chosen)


POLICY = Policy(choose, frozenset({"number"}))
