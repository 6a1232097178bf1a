"""The signal-to-noise ratio of weights, as in Spectrum (Hartford et al. 2024, arXiv 2406.06623).

The Marchenko-Pastur law gives the largest singular value (the edge) of a random matrix with the same shape and spread.
Singular values above the edge are signal, the others are noise. The ratio of their sums is divided by the largest
singular value.

Spectrum computes the spread of the noise from the interquartile range of a normal distribution. With that, pure noise
has a signal. This implementation compares the median singular value with the median of the law, as in Gavish and Donoho
2014.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable

import numpy as np
from torch import nn

from tgl.models.matrices import units_named
from tgl.models.sublayers import ranked


def signal_to_noise(weight: np.ndarray) -> float:
    """Return the ratio of a matrix [rows, columns]: 0 if no singular value is above the edge, inf if all are."""
    values = np.linalg.svd(weight.astype(np.float64), compute_uv=False)
    aspect = min(weight.shape) / max(weight.shape)
    edge = np.median(values) / _noise_median(aspect) * (1 + np.sqrt(aspect))
    signal, noise = values[values > edge].sum(), values[values <= edge].sum()
    if noise == 0:
        return float("inf") if signal > 0 else 0.0
    return float(signal / noise / values.max()) if signal > 0 else 0.0


@functools.lru_cache
def _noise_median(aspect: float) -> float:
    """Return the median singular value of noise with unit spread and unit longer side; aspect: shorter / longer side.

    The density of a singular value s between lower = 1 - sqrt(aspect) and upper = 1 + sqrt(aspect) is proportional to
    sqrt((upper^2 - s^2) (s^2 - lower^2)) / s (Marchenko and Pastur 1967).
    """
    lower, upper = 1 - np.sqrt(aspect), 1 + np.sqrt(aspect)
    grid = np.linspace(lower, upper, 20_001)[1:-1]
    density = np.sqrt((upper**2 - grid**2) * (grid**2 - lower**2)) / grid
    below = np.cumsum(density) / density.sum()
    return float(np.interp(0.5, below, grid))


def unit_ratios(model: nn.Module, names: Iterable[str]) -> dict[str, float]:
    """Return the mean ratio of the matrices of each unit, weighted by their numbers of entries.

    Args:
        model: The model.
        names: Names of its units, sublayers or matrices.
    """
    found = {}
    for unit in ranked(units_named(model, names)):
        matrices = [
            weight.detach().float().cpu().numpy() for weight in unit.parameters.values() if weight.dim() == 2
        ]
        sizes = [weight.size for weight in matrices]
        found[unit.name] = float(np.average([signal_to_noise(weight) for weight in matrices], weights=sizes))
    return found
