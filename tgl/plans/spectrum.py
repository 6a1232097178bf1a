"""Signal-to-noise ratio of weights, after Spectrum (Hartford et al. 2024, arXiv 2406.06623).

Of a weight matrix's singular values, those above the edge that the Marchenko-Pastur law gives to a random matrix of
the same shape and spread count as signal, the others as noise; the ratio of their sums is divided by the largest
singular value. The spread is estimated robustly, from the interquartile range of the singular values.
"""

from __future__ import annotations

import numpy as np
from torch import nn

from tgl.sublayers import ranked, sublayers


def signal_to_noise(weight: np.ndarray) -> float:
    """Return the ratio of a matrix [rows, columns]; 0 where no singular value stands out, inf where all do."""
    values = np.linalg.svd(weight.astype(np.float64), compute_uv=False)
    low, high = np.quantile(values, [0.25, 0.75])
    sigma = (high - low) / 1.349  # interquartile range of a normal distribution of unit spread
    edge = sigma * (1 + np.sqrt(min(weight.shape) / max(weight.shape)))
    signal, noise = values[values > edge].sum(), values[values <= edge].sum()
    if noise == 0:
        return float("inf") if signal > 0 else 0.0
    return float(signal / noise / values.max()) if signal > 0 else 0.0


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
