"""The comparison at equal uptake in which each seed has the rate that is best on its own validation probes."""

import math

import numpy as np
import pytest

from tests.analysis.curve_world import curves_of, world
from tests.analysis.method_curves import (
    FLAT,
    LEARNED,
    RATES,
    STEEP,
    VALIDATION,
    at,
    compared,
    noisy,
    of,
    tried,
    without_first_seed,
)
from tgl.analysis.equal_uptake import NOT_REACHED, MethodCurves


def slow_seed(lost):
    """Return curves that lose `lost` and whose first seed learns too little."""
    return without_first_seed(curves_of(LEARNED, lost))


def test_a_lower_rate_that_one_seed_misses_is_named_and_counts_for_the_other_seeds():
    test = {0.1: slow_seed(FLAT), 0.2: curves_of(LEARNED, STEEP), 0.3: curves_of(LEARNED, STEEP)}
    full = tried(curves_of(LEARNED, STEEP))
    curves = MethodCurves({"full": VALIDATION, "m": test}, {"full": full, "m": test}, 3)
    row = at(compared(curves, primary=0.5), "m", 0.5)
    assert (row["rate"], row["lower_rates_fall_short"]) == (0.2, True)
    assert row["difference"] == pytest.approx(0.0)
    # Three of four seeds lose 0.3 at rate 0.1 where full loses 1.5, and the first has rate 0.2.
    assert row["own_rates_difference"] == pytest.approx(-1.2 * 3 / 4)
    assert row["own_rates_seeds"] == 4


def test_without_a_rate_for_some_seed_there_is_no_difference_at_own_rates_but_a_count():
    test = noisy()
    row = at(compared(of({"full": test["full"], "m": test["m"]}, {"m": tried(slow_seed(FLAT))})), "m")
    assert (row["verdict"], row["own_rates_seeds"]) == (NOT_REACHED, 3)
    assert math.isnan(row["own_rates_difference"])


def test_with_one_best_rate_for_all_seeds_own_rates_change_nothing():
    row = at(compared(of(noisy(2, sizes=(8, 40, 60), apart=0.3))), "m")
    assert not row["lower_rates_fall_short"]
    for name in ("difference", "low", "high", "seeds"):
        assert row[f"own_rates_{name}"] == row[name]


def test_the_interval_at_own_rates_holds_the_truth():
    """200 worlds without a difference, three rates each: coverage 0.95, within three Monte-Carlo errors (0.05)."""
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(200):
        splits = []
        for _ in range(2):
            drawn = [world(rng, 6, 20, 30) for _ in RATES]
            splits.append(
                {
                    name: dict(zip(RATES, [pair[place] for pair in drawn], strict=True))
                    for place, name in enumerate(("full", "m"))
                }
            )
        row = at(compared(MethodCurves(*splits, 5)), "m")
        covered += row["own_rates_low"] <= 0 <= row["own_rates_high"]
    assert 0.9 <= covered / 200 <= 0.995
