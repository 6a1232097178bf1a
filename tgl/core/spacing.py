"""Choose evenly spaced items of a list, or average neighbours."""

from __future__ import annotations

import numpy as np


def evenly_spaced(count: int, most: int) -> np.ndarray:
    """Return at most `most` evenly spaced numbers below `count`, with the first and the last."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


def thinned(values: np.ndarray, most: int) -> np.ndarray:
    """Return at most `most` numbers: the means of as many neighbours as needed."""
    numbers = np.asarray(values, dtype=float)
    starts = np.arange(0, len(numbers), max(1, -(-len(numbers) // most)))
    return np.add.reduceat(numbers, starts) / np.diff([*starts, len(numbers)]) if len(numbers) else numbers
