"""Policies: from relative gradient norms to a learning-rate multiplier per sublayer. Pure functions.

Multiplier 0 freezes a sublayer, 1 trains it at the run's learning rate. The unit `embedding` is outside the
ranking and follows one setting. The traced set is `tgl_fp`'s, the budget its number of parameters.

- `full`: every sublayer at 1.
- `tgl_fp`: 1 where the relative gradient norm r exceeds its mean over sublayers (with `top25`: the quarter of the
  sublayers of largest r), else 0.
- `tgl_alr`: r / mean(r), with `max` r / max(r).
- `random`: the budget within 5 %, overlapping the traced set by a Jaccard index of at most 0.5.
- `inverse`, `first`, `last`: the sublayers of lowest r, of the first or of the last blocks, up to the budget.
- `spectrum`: those of the highest signal-to-noise ratio of their weights, up to the budget (`tgl.plans.spectrum`).
- `random_half`: half of the sublayers, drawn at random.
- `shuffled_alr`: the multipliers of `tgl_alr`, dealt out at random.
- `full_at_mean_lr`: every sublayer at the parameter-weighted mean multiplier of `tgl_alr` (or of `tgl_fp`).
- `lisa`: five phases of equal length, each with a random subset at the budget, after LISA (Pan et al. 2024).
- `only`: one sublayer alone.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np

from tgl.config import PlanConfig
from tgl.errors import TglError
from tgl.plans.names import PlanName, parse_plan
from tgl.plans.plan import Plan
from tgl.plans.subsets import head_subset, jaccard, random_subset

LISA_PHASES = 5


@dataclass(frozen=True)
class Unit:
    """What a policy knows of a sublayer: name, number of parameters, relative gradient norm.

    Units are handed over in order of depth. signal_to_noise: of its weights, for `spectrum` only.
    """

    name: str
    num_parameters: int
    relative_norm: float
    signal_to_noise: float | None = None


def make_plan(method: str, units: list[Unit], settings: PlanConfig, seed: int) -> Plan:
    """Return the plan called `method` (`tgl.plans.names`) for the ranked sublayers. `seed` draws what is random.

    Raises TglError for norms that are not finite, an unknown name, or a sublayer that does not exist.
    """
    if not units:
        raise TglError("plan: the profile holds no sublayer")
    if any(not np.isfinite(unit.relative_norm) or unit.relative_norm < 0 for unit in units):
        bad = [unit.name for unit in units if not np.isfinite(unit.relative_norm) or unit.relative_norm < 0]
        raise TglError(f"plan: relative gradient norms must be finite and at least 0; they are not for {bad}")
    name = parse_plan(method)
    phases, note = _multipliers(name, units, seed)
    size = {unit.name: unit.num_parameters for unit in units}
    return Plan(
        method=method,
        embedding=1.0 if (name.embedding or settings.embedding) == "trained" else 0.0,
        multipliers=phases[0],
        denominator=name.denominator or settings.denominator,
        trainable_parameters=sum(size[name] for name, value in phases[0].items() if value > 0),
        total_parameters=sum(size.values()),
        note=note,
        later=[
            {"from": number / len(phases), "multipliers": multipliers}
            for number, multipliers in enumerate(phases)
            if number
        ],
    )


def _multipliers(name: PlanName, units: list[Unit], seed: int) -> tuple[list[dict[str, float]], str]:
    """Return the multipliers by sublayer of each phase, and a note."""
    size = {unit.name: unit.num_parameters for unit in units}
    names = list(size)
    rng = random.Random(f"{name.policy}:{seed}")
    if name.policy == "full":
        return [dict.fromkeys(names, 1.0)], ""
    if name.policy == "only":
        if name.number >= len(names):
            raise TglError(f"plan 'only.{name.number}': there are {len(names)} sublayers, numbered from 0")
        return [_chosen(names, {names[name.number]})], names[name.number]
    if name.policy == "random_half":
        return [_chosen(names, set(rng.sample(names, max(1, len(names) // 2))))], ""
    if name.policy in ("tgl_alr", "shuffled_alr"):
        return _scaled(name, units, rng)
    reference = traced(units, name.top)
    if name.policy == "tgl_fp":
        return [_chosen(names, reference)], ""
    if name.policy == "full_at_mean_lr":
        values = scaled(units, name.scale) if name.of == "tgl_alr" else _chosen(names, reference)
        mean = sum(size[unit] * value for unit, value in values.items()) / sum(size.values())
        return [dict.fromkeys(names, mean)], f"the parameter-weighted mean multiplier of {name.of}"
    budget = sum(size[unit] for unit in reference)
    if name.policy == "lisa":
        drawn = [random_subset(size, budget, rng)[0] for _ in range(LISA_PHASES)]
        return [_chosen(names, chosen) for chosen in drawn], f"{LISA_PHASES} phases, each a new random subset"
    if name.policy == "random":
        chosen, note = random_subset(size, budget, rng, avoid=reference)
        return [_chosen(names, chosen)], note
    chosen, note = head_subset(_order(name.policy, units), size, budget)
    return [
        _chosen(names, chosen)
    ], f"{note}, Jaccard index with the traced set {jaccard(chosen, reference):.2f}"


def _order(policy: str, units: list[Unit]) -> list[str]:
    """Return the sublayers' names, those to be trained first standing first."""
    if policy == "inverse":
        ordered = sorted(units, key=lambda unit: (unit.relative_norm, unit.name))
    elif policy == "spectrum":
        if any(unit.signal_to_noise is None for unit in units):
            raise TglError(
                "plan 'spectrum': it looks at the model's weights; hand over the model (--model FOLDER)"
            )
        ordered = sorted(units, key=lambda unit: (-unit.signal_to_noise, unit.name))
    else:
        ordered = units if policy == "first" else units[::-1]
    return [unit.name for unit in ordered]


def _scaled(name: PlanName, units: list[Unit], rng: random.Random) -> tuple[list[dict[str, float]], str]:
    values = scaled(units, name.scale)
    if name.policy == "tgl_alr":
        return [values], ""
    order = rng.sample(list(values), len(values))
    return [
        dict(zip(values, (values[other] for other in order), strict=True))
    ], "the multipliers of tgl_alr, shuffled"


def traced(units: list[Unit], top: float | None = None) -> set[str]:
    """Return the sublayers whose relative norm exceeds the mean; all of them when none does (all equal).

    With `top` the share of the sublayers with the largest relative norms, rounded, at least one.
    """
    if top is not None:
        ordered = sorted(units, key=lambda unit: (-unit.relative_norm, unit.name))
        return {unit.name for unit in ordered[: max(1, round(top * len(units)))]}
    mean = np.mean([unit.relative_norm for unit in units])
    return {unit.name for unit in units if unit.relative_norm > mean} or {unit.name for unit in units}


def scaled(units: list[Unit], scale: str) -> dict[str, float]:
    """Return r / mean(r), or r / max(r), by sublayer."""
    norms = np.array([unit.relative_norm for unit in units])
    divisor = norms.mean() if scale == "mean" else norms.max()
    if divisor == 0:
        raise TglError("plan: every relative gradient norm is 0, no learning rate can follow from them")
    return {unit.name: float(unit.relative_norm / divisor) for unit in units}


def _chosen(names: list[str], chosen: set[str]) -> dict[str, float]:
    return {name: 1.0 if name in chosen else 0.0 for name in names}
