"""Signal-to-noise ratio of weights, after Spectrum (Hartford et al. 2024, arXiv 2406.06623).

Of a weight matrix's singular values, those above the edge that the Marchenko-Pastur law gives to a random matrix of
the same shape and spread count as signal, the others as noise; the ratio of their sums is divided by the largest
singular value. [ours] The spread of the noise comes from the median singular value, held against the median of the law
itself (as in Gavish and Donoho 2014); with the interquartile range of a normal distribution, which Spectrum takes,
noise alone has a signal.
"""

from __future__ import annotations

import functools

import numpy as np
from torch import nn

from tgl.sublayers import ranked, sublayers


def signal_to_noise(weight: np.ndarray) -> float:
    """Return the ratio of a matrix [rows, columns]; 0 where no singular value stands out, inf where all do."""
    values = np.linalg.svd(weight.astype(np.float64), compute_uv=False)
    aspect = min(weight.shape) / max(weight.shape)
    edge = np.median(values) / _noise_median(aspect) * (1 + np.sqrt(aspect))
    signal, noise = values[values > edge].sum(), values[values <= edge].sum()
    if noise == 0:
        return float("inf") if signal > 0 else 0.0
    return float(signal / noise / values.max()) if signal > 0 else 0.0


@functools.lru_cache
def _noise_median(aspect: float) -> float:
    """Return the median of the singular values of noise, of unit spread and unit longer side.

    aspect: shorter over longer side. The density of a singular value s between 1 - sqrt(aspect) and 1 + sqrt(aspect)
    is proportional to sqrt((upper^2 - s^2) (s^2 - lower^2)) / s (Marchenko and Pastur 1967).
    """
    lower, upper = 1 - np.sqrt(aspect), 1 + np.sqrt(aspect)
    grid = np.linspace(lower, upper, 20_001)[1:-1]
    density = np.sqrt((upper**2 - grid**2) * (grid**2 - lower**2)) / grid
    below = np.cumsum(density) / density.sum()
    return float(np.interp(0.5, below, grid))


def sublayer_ratios(model: nn.Module) -> dict[str, float]:
    """Return by sublayer the mean ratio of its matrices, weighted by their numbers of entries."""
    found = {}
    for unit in ranked(sublayers(model)):
        matrices = [
            weight.detach().float().cpu().numpy() for weight in unit.parameters.values() if weight.dim() == 2
        ]
        sizes = [weight.size for weight in matrices]
        found[unit.name] = float(np.average([signal_to_noise(weight) for weight in matrices], weights=sizes))
    return found
