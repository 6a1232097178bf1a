"""Relative gradient norms with bootstrap intervals. Pure functions of arrays."""

from __future__ import annotations

import numpy as np

from tgl.errors import TglError

DENOMINATORS = ("window", "matched_span", "unchanged")


def relative_norm(
    group: np.ndarray, reference: np.ndarray, resamples: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return (relative norm, its 95 % interval) by unit and for the mean over units.

    group, reference: per-example norms [num_examples, num_units] of the same units. The relative norm of a
    unit is the ratio of the means over examples; examples of both groups are resampled independently, and the
    interval is the percentile bootstrap's. Returns [num_units + 1] and [2, num_units + 1]; the last entry is
    the mean over units. Raises TglError when the reference has a mean of zero.
    """
    if not (reference.mean(0) > 0).all():
        raise TglError("relative norm: a unit's gradients vanish on the reference text, no ratio exists")
    rng = np.random.default_rng(seed)
    drawn_group = _resampled_means(group, resamples, rng)
    drawn_reference = _resampled_means(reference, resamples, rng)
    ratios = _with_mean(drawn_group / drawn_reference)
    return _with_mean(group.mean(0) / reference.mean(0)), np.quantile(ratios, [0.025, 0.975], axis=0)


def _resampled_means(norms: np.ndarray, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """Return the means over resampled examples, [resamples, num_units]."""
    weights = rng.multinomial(len(norms), np.full(len(norms), 1 / len(norms)), size=resamples)
    return weights @ norms / len(norms)


def _with_mean(values: np.ndarray) -> np.ndarray:
    return np.concatenate([values, values.mean(-1, keepdims=True)], axis=-1)
