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
from collections.abc import Iterable, Iterator

import numpy as np
import torch
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

    A stack of experts [experts, rows, columns] is as many matrices. A unit without a matrix has the ratio 0.

    Args:
        model: The model.
        names: Names of its units, sublayers or matrices.
    """
    found = {}
    for unit in ranked(units_named(model, names)):
        matrices = [m.detach().float().cpu().numpy() for m in _matrices(unit.parameters.values())]
        ratios, sizes = [signal_to_noise(matrix) for matrix in matrices], [matrix.size for matrix in matrices]
        found[unit.name] = float(np.average(ratios, weights=sizes)) if matrices else 0.0
    return found


def _matrices(weights: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
    """Yield the matrices among weights, and those of stacks. The weight of a convolution by channel is no stack."""
    for weight in weights:
        if weight.dim() == 2:
            yield weight
        elif weight.dim() == 3 and min(weight.shape[1:]) > 1:
            yield from weight
