"""A period whose new and old text differ in their tokens, and what a baseline shows of each, as plain functions."""

import numpy as np

from tests.support.model_fixtures import BLOCK, plan_of
from tests.train.baselines.periods import period_of


def documents(lowest, highest, count):
    """Return documents of random tokens in a range, each ended by token 0."""
    tokens = np.random.default_rng(lowest).integers(lowest, highest, count).astype(np.int32)
    tokens[15::16] = 0
    return tokens


NEW = documents(1, 100, 640)  # 20 rows of 32 tokens a pass
OLD = documents(100, 290, 960)


def two_texts(**changes):
    return period_of(plan_of([1.0] * 4), new=NEW, old=OLD, **changes)


def rows_of(baseline, period, count):
    """Return the first rows that are trained on, and whether each is old."""
    stream = baseline.stream(period).stream
    rows = np.concatenate([stream.batch(step, 4, BLOCK) for step in range(count // 4)])
    return rows, rows.max(axis=1) >= 100
