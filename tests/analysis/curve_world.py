"""Curves of uptake and forgetting made by hand, and drawn from a model of seeds and subjects."""

import numpy as np

from tgl.analysis.uptake import Curves


def curves_of(learned, lost, num_seeds=4, num_subjects=6, start=(5.0, 1.0)):
    """Return curves without noise: from `start`, in log perplexity, by the nats learned and lost at each point."""
    shape = (len(learned), num_seeds, num_subjects)
    up = np.broadcast_to(start[0] - np.array(learned)[:, None, None], shape)
    down = np.broadcast_to(start[1] + np.array(lost)[:, None, None], shape)
    zeros, ones = np.zeros(shape), np.ones(num_subjects)
    return Curves(
        np.concatenate([up, zeros], -1),
        np.concatenate([zeros, down], -1),
        (np.concatenate([ones, 0 * ones]), np.concatenate([0 * ones, ones])),
    )


def world(rng, num_seeds=4, num_learned=20, num_kept=30, apart=0.0, points=7):
    """Return the curves of a reference and of a method, or of several methods for a list `apart`.

    The reference learns 4 nats and loses 0.4; a method loses `apart` more by the end. Subjects differ in level and in
    how much of them is lost, seeds in how fast they learn and lose.
    """
    time = np.linspace(0, 1, points)[:, None, None]
    level, kept = (0.6 * rng.normal(size=number) for number in (num_learned, num_kept))
    slope = 0.4 * (1 + 0.5 * rng.normal(size=num_kept))
    found = []
    for more in (0.0, *np.atleast_1d(apart)):
        fast, loss = (scale * rng.normal(size=(1, num_seeds, 1)) * time for scale in (0.25, 0.05))
        up = 5 - 4 * time + fast + level + 0.3 * rng.normal(size=(1, num_seeds, num_learned)) * time
        down = (
            1 + (slope + more) * time + loss + kept + 0.3 * rng.normal(size=(1, num_seeds, num_kept)) * time
        )
        ends = [(0, 0), (0, 0)]
        found.append(
            Curves(
                np.pad(up, [*ends, (0, num_kept)]),
                np.pad(down, [*ends, (num_learned, 0)]),
                (
                    np.repeat([1.0, 0.0], [num_learned, num_kept]),
                    np.repeat([0.0, 1.0], [num_learned, num_kept]),
                ),
            )
        )
    return found
