"""Compare forgetting at equal uptake: how much a method forgets when it has learned as much as a reference.

The curve of a run leads from the base model through the steps at which it was scored (`train.score_at`) to its end.
Uptake is the log perplexity of facts to learn, forgetting that of unchanged facts; both are means over probes of nats
per token. A run reaches a level of uptake at the first step at or below it. Between this step and the one before, the
curve is a straight line, so a level lies between two measured points.

A level is a share of what the reference learns by the end. It is computed again whenever seeds or subjects are left out
for the error, so the error includes that of the level. The learning rate of a method is the one with the least
forgetting at the level on validation probes, among the rates at which every seed reaches it. All other numbers are from
test probes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tgl.analysis.crossed import Estimate, from_influence

LEVELS = (0.5, 0.7, 0.9)  # Shares of the reference's uptake.
MARGIN = 0.1  # Margin of equivalence, as a share of the reference's forgetting.


@dataclass(frozen=True)
class Curves:
    """The curves of the runs of one method and rate, on one split.

    Attributes:
        uptake: Sums of log perplexities of the facts to learn [points, seeds, subjects].
        forgetting: Those of the unchanged facts [points, seeds, subjects].
        weights: Numbers of probes by subject, of the facts to learn and of the unchanged ones, each [subjects].
    """

    uptake: np.ndarray
    forgetting: np.ndarray
    weights: tuple[np.ndarray, np.ndarray]

    def means(self) -> tuple[np.ndarray, np.ndarray]:
        """Return mean uptake and forgetting, each [points, seeds]."""
        sums = (self.uptake, self.forgetting)
        return tuple(
            own.sum(-1) / own_weights.sum() for own, own_weights in zip(sums, self.weights, strict=True)
        )

    def without_each_subject(self) -> tuple[np.ndarray, np.ndarray]:
        """Return mean uptake and forgetting without each subject, each [subjects, points, seeds]."""
        sums = (self.uptake, self.forgetting)
        found = []
        for own, weights in zip(sums, self.weights, strict=True):
            left = (own.sum(-1, keepdims=True) - own) / (weights.sum() - weights)
            found.append(np.moveaxis(left, -1, 0))
        return tuple(found)


@dataclass(frozen=True)
class AtLevel:
    """Forgetting of a method at a level of uptake of a reference.

    Attributes:
        level: The level, a mean log perplexity of the facts to learn.
        lost: How much of it the reference lost since the base model: its forgetting in nats per token.
        difference: Log perplexity of unchanged facts at the level, minus that of the reference. Its mean is NaN if a
            seed does not reach the level.
        reached: Number of seeds in which both reach the level.
    """

    level: float
    lost: float
    difference: Estimate
    reached: int


def forgetting_at(uptake: np.ndarray, forgetting: np.ndarray, level: np.ndarray | float) -> np.ndarray:
    """Return the forgetting where a curve first reaches a level of uptake; NaN if it never does.

    Args:
        uptake: Log perplexities of the facts to learn [..., points], in order of the steps. Lower is better.
        forgetting: Log perplexities of unchanged facts [..., points].
        level: Level of uptake, [...] or a number.
    """
    level = np.broadcast_to(np.asarray(level, dtype=float), uptake.shape[:-1])[..., None]
    with np.errstate(invalid="ignore"):
        reached = uptake <= level
    first = reached.argmax(-1)[..., None]
    before = np.maximum(first - 1, 0)
    high, low = (np.take_along_axis(uptake, at, -1) for at in (before, first))
    start, end = (np.take_along_axis(forgetting, at, -1) for at in (before, first))
    with np.errstate(invalid="ignore"):
        share = np.where(first > 0, (high - level) / np.where(high > low, high - low, 1.0), 1.0)
        found = start + share * (end - start)
    return np.where(reached.any(-1), found[..., 0], np.nan)


def level_of(uptake: np.ndarray, share: float) -> np.ndarray:
    """Return the level of uptake at a share of what a reference learns from the first point to the last.

    Args:
        uptake: Mean uptake of the reference [..., points, seeds].
        share: Share from 0 to 1.

    Returns:
        [...]; NaN if the reference learns nothing.
    """
    means = uptake.mean(-1)
    start, fall = means[..., 0], means[..., 0] - means[..., -1]
    return np.where(fall > 0, start - share * fall, np.nan)


def best_rate(curves: Mapping[float, Curves], level: float) -> tuple[float | None, dict[float, float]]:
    """Return the rate with the least forgetting at a level, and the forgetting of each rate; None if none reaches it.

    Args:
        curves: The curves of a method on validation probes by rate.
        level: The level of uptake on validation probes. A rate counts if all seeds reach it.
    """
    found = {}
    for rate, own in curves.items():
        uptake, forgetting = own.means()
        found[rate] = float(forgetting_at(uptake.T, forgetting.T, level).mean())
    reached = {rate: value for rate, value in found.items() if not math.isnan(value)}
    return (min(reached, key=lambda rate: (reached[rate], rate)) if reached else None), found


def rate_of_each_seed(curves: Mapping[float, Curves], level: float) -> list[float | None]:
    """Return for each seed the rate with the least forgetting at a level, by this seed alone; None if none reaches it.

    Args:
        curves: The curves of a method on validation probes by rate.
        level: The level of uptake on validation probes.
    """
    rates = sorted(curves)
    means = [curves[rate].means() for rate in rates]
    found = np.array([forgetting_at(uptake.T, forgetting.T, level) for uptake, forgetting in means])
    best = np.where(np.isnan(found), np.inf, found).argmin(0)
    return [None if math.isnan(found[number, seed]) else rates[number] for seed, number in enumerate(best)]


def at_rates(curves: Mapping[float, Curves], rates: Sequence[float]) -> Curves:
    """Return the curves of one method whose seeds have rates of their own.

    Args:
        curves: The curves of a method by rate.
        rates: The rate of each seed.
    """
    chosen = [curves[rate] for rate in rates]
    return Curves(
        np.stack([own.uptake[:, seed] for seed, own in enumerate(chosen)], axis=1),
        np.stack([own.forgetting[:, seed] for seed, own in enumerate(chosen)], axis=1),
        chosen[0].weights,
    )


def most_learned(curves: Mapping[float, Curves]) -> float:
    """Return the rate whose runs learn most by the end."""
    return min(
        curves, key=lambda rate: (np.nan_to_num(curves[rate].means()[0][-1].mean(), nan=math.inf), rate)
    )


def compared(own: Curves, other: Curves, reference: Curves, *, share: float) -> AtLevel:
    """Compare forgetting at a share of the reference's uptake.

    Args:
        own: Curves of the method on test probes.
        other: Curves of the reference on test probes, at the rate with which it is compared.
        reference: Curves of the reference on test probes, at the rate that defines the level.
        share: The share.
    """
    of_three = (own, other, reference)
    (up, down), (other_up, other_down), (whole, _) = (curves.means() for curves in of_three)
    level = level_of(whole, share)
    mine, theirs = (forgetting_at(u.T, f.T, level) for u, f in ((up, down), (other_up, other_down)))
    apart, start = mine - theirs, other_down[0]
    reached = int(np.isfinite(apart).sum())
    number = len(apart)
    if reached < number or number < 2:
        estimate = Estimate(float(apart.mean()), math.nan, reached if reached < number else number)
    else:
        influence = _influence(own, other, reference, share=share)
        if np.isfinite(influence).all():
            estimate = from_influence(float(apart.mean()), influence)
        else:
            estimate = Estimate(float(apart.mean()), math.nan, number)
    return AtLevel(
        float(level),
        float((theirs - start).mean()),
        estimate,
        reached,
    )


def _influence(own: Curves, other: Curves, reference: Curves, *, share: float) -> np.ndarray:
    """Return the influence of each seed and subject on the mean difference, [seeds, subjects], by leaving each out.

    A subject is left out of one seed at a time. The level moves with the mean of the reference's curves. The influence
    is NaN if a run misses the level without the subject.
    """
    whole, _ = reference.means()  # [points, seeds]
    with np.errstate(invalid="ignore"):
        left = reference.without_each_subject()[0]  # [subjects, points, seeds]
    num_seeds = whole.shape[1]
    with np.errstate(invalid="ignore"):  # A single subject leaves nothing.
        pairs = [(curves.means(), curves.without_each_subject()) for curves in (own, other)]

    def difference(parts: list[tuple[np.ndarray, np.ndarray]], level: np.ndarray) -> np.ndarray:
        mine, theirs = (
            forgetting_at(np.moveaxis(u, -2, -1), np.moveaxis(f, -2, -1), level[..., None]) for u, f in parts
        )
        return mine - theirs

    means = [mean for mean, _ in pairs]
    full = difference(means, level_of(whole, share)).mean()
    found = np.empty((num_seeds, len(left)))
    for seed in range(num_seeds):
        others = np.arange(num_seeds) != seed
        rest = [(up[:, others], down[:, others]) for up, down in means]
        of_seed = full - difference(rest, level_of(whole[:, others], share)).mean()
        found[seed] = of_seed * (num_seeds - 1) / num_seeds / len(left)
        if len(left) == 1:  # replicates, which are means already
            continue
        mixed = np.repeat(whole[None], len(left), axis=0)
        mixed[..., seed] = left[..., seed]
        parts = []
        for own_means, without in pairs:
            part = []
            for mean, one in zip(own_means, without, strict=True):
                changed = np.repeat(mean[None], len(left), axis=0)
                changed[..., seed] = one[..., seed]
                part.append(changed)
            parts.append(tuple(part))
        of_subjects = full - difference(parts, level_of(mixed, share)).mean(-1)
        # Leaving out one of n members of a mean changes it by n / (n - 1) times its influence.
        found[seed] += (of_subjects - of_subjects.mean()) * (len(left) - 1) / len(left)
    return found
