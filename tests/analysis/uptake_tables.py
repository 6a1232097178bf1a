"""Curves of uptake and forgetting whose answer is known, as tables of scores."""

import math

import numpy as np
from hypothesis import strategies as st

from tests.analysis.score_tables import values
from tgl.analysis.uptake import at_equal_uptake, forgetting_at
from tgl.analysis.values import Values

NAN = math.nan
RATES = (0.001, 0.01, 0.1)


def at(uptake, forgetting, level):
    return float(forgetting_at(np.array(uptake), np.array(forgetting), level))


numbers = st.lists(st.integers(-20, 20), min_size=4, max_size=4)


def tables(methods, num_seeds=4, num_probes=12, noise=0.2, base=(5.0, 1.0)):
    """Return (updated, unchanged); methods: by name points (uptake, forgetting) at RATES, in log perplexity.

    Seeds and probes differ by `noise`, in the same way at all points and for all methods.
    """
    rng = np.random.default_rng(0)
    shifts = [noise * rng.normal(size=(num_seeds, num_probes)) for _ in range(2)]
    points = {("base", 0.0): base}
    for method, own in methods.items():
        points |= {(method, rate): point for rate, point in zip(RATES, own, strict=True)}
    return tuple(
        values({run: shifts[axis] + point[axis] for run, point in points.items()}, kind)
        for axis, kind in enumerate(("updated", "unchanged"))
    )


FULL = [(4.0, 1.2), (2.0, 1.6), (1.0, 2.0)]


def compared(methods, reference="full", resamples=300, **settings):
    updated, unchanged = tables(methods, **settings)
    return at_equal_uptake(updated, unchanged, list(methods), reference=reference, resamples=resamples)


def by_method(found):
    return found.set_index(["method", "share"])


def seeds_apart(**methods):
    """Return (updated, unchanged) of one probe; methods: by name (uptake, forgetting) shifts by seed, [2, seeds]."""
    runs = {("base", 0.0): ([5.0] * 4, [1.0] * 4)}
    for method, shifts in methods.items():
        runs |= {
            (method, rate): np.array(shifts) + np.array(point)[:, None]
            for rate, point in zip(RATES, FULL, strict=True)
        }
    return tuple(
        values({run: np.array(both[axis])[:, None] for run, both in runs.items()}) for axis in range(2)
    )


NONE = [0.0] * 4


def of_subjects(names, level, shifts, num_seeds=4):
    """Return `Values` of a subject a probe; shifts: by subject, what method `m` has more at all rates."""
    runs = [("base", 0.0), *((method, rate) for method in ("full", "m") for rate in RATES)]
    points = np.array([level[0], *level[1:], *level[1:]])[:, None, None] + np.zeros(
        (1, num_seeds, len(names))
    )
    points[4:] += shifts
    return Values(runs, list(range(num_seeds)), np.array(names), points, np.ones(len(names)))
