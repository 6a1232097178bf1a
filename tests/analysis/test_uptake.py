"""Forgetting at equal uptake: on curves whose answer is known."""

import math

import numpy as np
import pytest
from scipy import stats

from tests.analysis.score_tables import values
from tests.analysis.uptake_tables import (
    FULL,
    NONE,
    RATES,
    by_method,
    compared,
    of_subjects,
    seeds_apart,
    tables,
)
from tgl.analysis.uptake import LEVELS, NOT_MEASURED, SOME_SEEDS, at_equal_uptake
from tgl.core.errors import TglError


def test_equal_curves_give_a_ratio_of_exactly_one_at_every_level():
    found = compared({"full": FULL, "same": FULL})
    assert found["ratio"].tolist() == found["low"].tolist() == found["high"].tolist() == [1.0] * len(LEVELS)
    assert set(found["verdict"]) == {"no significant difference"}
    assert set(found["p_holm"]) == {1.0}


def test_the_reference_is_not_compared_with_itself():
    found = compared({"full": FULL, "same": FULL})
    assert set(found["method"]) == {"same"}
    assert set(found["reference"]) == {"full"}


def test_a_curve_that_forgets_by_a_constant_factor_more_gives_that_factor():
    # Forgetting is a straight line of uptake, 1.0 at 5.0 and so at the base model: shifted beyond the first rate.
    line = [(4.0, 1.2 + math.log(2)), (2.0, 1.6 + math.log(2)), (1.0, 2.0 + math.log(2))]
    found = compared({"full": FULL, "worse": line}, noise=0.02)
    reached = found[found["share"] * 4 > 1]  # beyond the first rate
    assert len(reached) == len(LEVELS)
    assert reached["ratio"].tolist() == pytest.approx([2.0] * len(LEVELS), rel=0.02)
    assert set(reached["verdict"]) == {"worse"}


def test_forgetting_less_is_better_and_more_is_worse_whichever_is_the_reference():
    less = [(uptake, forgetting - 0.1) for uptake, forgetting in FULL]
    methods = {"full": FULL, "less": less}
    one, other = compared(methods, noise=0.01), compared(methods, "less", noise=0.01)
    assert set(one["verdict"]) == {"better"}
    assert set(other["verdict"]) == {"worse"}
    assert (one["ratio"] * other["ratio"]).tolist() == pytest.approx([1.0] * len(LEVELS), rel=1e-6)


def test_levels_are_shares_of_the_fall_that_the_reference_reaches_at_its_best_rate():
    # The largest rate is past the best one.
    found = compared({"full": [(4.0, 1.2), (1.0, 1.6), (3.0, 5.0)], "same": FULL}, noise=0)
    assert found["share"].tolist() == list(LEVELS)
    expected = [math.exp(5.0 - share * (5.0 - 1.0)) for share in LEVELS]
    assert found["uptake_perplexity"].tolist() == pytest.approx(expected)


def test_a_method_that_does_not_take_up_as_much_is_said_not_to_reach_it():
    found = compared({"full": FULL, "little": [(4.5, 1.0), (3.5, 1.0), (2.5, 1.0)]}, noise=0.01)
    by_share = found.set_index("share")
    assert by_share.loc[0.5, "seeds"] == 4
    assert by_share.loc[[0.7, 0.9], "seeds"].tolist() == [0, 0]
    assert set(by_share.loc[[0.7, 0.9], "verdict"]) == {"not reached"}
    assert by_share.loc[[0.7, 0.9], "ratio"].isna().all()


def test_what_is_not_reached_does_not_count_among_the_comparisons():
    alone = compared({"full": FULL, "less": [(4.0, 1.1), (2.0, 1.5), (1.0, 1.9)]}, noise=0.05)
    never = [(4.9, 1.0), (4.9, 1.0), (4.9, 1.0)]
    together = compared(
        {"full": FULL, "less": [(4.0, 1.1), (2.0, 1.5), (1.0, 1.9)], "never": never}, noise=0.05
    )
    together = together[together["method"] == "less"]
    assert together["p_holm"].tolist() == pytest.approx(alone["p_holm"].tolist())


def test_one_seed_gives_a_ratio_without_an_interval():
    found = compared({"full": FULL, "same": FULL}, num_seeds=1)
    assert found["ratio"].tolist() == [1.0] * len(LEVELS)
    assert found["low"].isna().all()
    assert set(found["verdict"]) == {"one seed: no interval"}


def test_a_reference_that_takes_up_nothing_gives_no_level_to_compare_at():
    found = compared({"full": [(6.0, 1.2), (7.0, 1.6), (8.0, 2.0)], "same": FULL})
    assert set(found["verdict"]) == {"not reached"}
    assert found[["ratio", "uptake_perplexity", "p_holm"]].isna().all(axis=None)


def test_a_single_rate_gives_no_verdict_however_clear_the_difference():
    """All levels then lie between the base model and the rate, on a line that nothing was measured along."""
    shifts = 0.01 * np.random.default_rng(0).normal(size=(4, 12))
    points = {("base", 0.0): (5.0, 1.0), ("full", 0.01): (2.0, 4.0), ("less", 0.01): (1.8, 1.1)}
    updated, unchanged = (
        values({run: shifts + point[axis] for run, point in points.items()}, kind)
        for axis, kind in enumerate(("updated", "unchanged"))
    )
    found = at_equal_uptake(updated, unchanged, ["full", "less"], reference="full", resamples=200)
    assert (found["high"] < 1).all()
    assert set(found["verdict"]) == {NOT_MEASURED}
    assert set(found["missing"]) == {"full: below 0.01; less: below 0.01"}


def test_a_level_below_the_uptake_of_the_lowest_rate_of_either_curve_gives_no_verdict():
    late = [(2.5, 1.0), (2.0, 1.1), (1.0, 1.5)]  # levels at 3.0, 2.2 and 1.4
    found = by_method(compared({"full": FULL, "late": late}, noise=0.001))
    assert found.loc[("late", 0.5), "verdict"] == NOT_MEASURED
    assert found.loc[("late", 0.5), "missing"] == "late: below 0.001"
    assert found.loc[("late", 0.7), ["verdict", "missing"]].tolist() == ["better", ""]
    turned = by_method(compared({"late": late, "full": FULL}, reference="late", noise=0.001))
    assert turned.loc[("full", 0.5), "missing"] == "late: below 0.001"


def test_a_measured_point_on_the_far_side_of_too_large_a_rate_does_not_count():
    """The curve passes the level before its lowest rate; that it falls back later is another passage."""
    fallen = [(2.0, 1.1), (1.0, 1.5), (4.5, 9.0)]
    found = by_method(compared({"full": FULL, "fallen": fallen}, noise=0.001))
    assert found.loc[("fallen", 0.5), "missing"] == "fallen: below 0.001"


def test_a_level_beyond_the_best_rate_asks_for_larger_ones_or_for_rates_near_the_best():
    weak = [(4.5, 1.0), (3.5, 1.0), (2.5, 1.0)]
    found = by_method(compared({"full": FULL, "weak": weak}, noise=0.001))
    assert found.loc[("weak", 0.9), "missing"] == "weak: above 0.1"
    peaked = [(4.5, 1.0), (2.5, 1.0), (3.5, 1.0)]
    found = by_method(compared({"full": FULL, "peaked": peaked}, noise=0.001))
    assert found.loc[("peaked", 0.9), "missing"] == "peaked: near 0.01"


def test_a_seed_whose_level_is_not_measured_takes_the_verdict():
    """Three seeds pass the level between two rates, one already below the lowest."""
    apart = seeds_apart(full=(NONE, NONE), early=([0.0, 0.0, 0.0, -1.5], [-0.10, -0.11, -0.09, -0.10]))
    found = by_method(at_equal_uptake(*apart, ["early"], reference="full", resamples=200))
    assert found.loc[("early", 0.5), "verdict"] == NOT_MEASURED
    assert found.loc[("early", 0.9), "verdict"] == "no significant difference"


def test_a_level_that_only_lucky_seeds_reach_gets_no_word_and_no_place_among_the_comparisons():
    less = (NONE, [-0.10, -0.11, -0.09, -0.10])
    lucky = ([0.0, 0.0, 2.9, 2.9], [-0.10, -0.11, -0.09, -0.10])
    pair = seeds_apart(full=(NONE, NONE), less=less, lucky=lucky)
    found = at_equal_uptake(*pair, ["full", "less", "lucky"], reference="full", resamples=300)
    found = found.set_index(["method", "share"])
    assert found.loc["lucky", "seeds"].tolist() == [2] * 3
    assert set(found.loc["lucky", "verdict"]) == {SOME_SEEDS}
    assert found.loc["lucky", "p_holm"].isna().all()
    assert found.loc["lucky", "ratio"].notna().all()
    alone = at_equal_uptake(*pair, ["less"], reference="full", resamples=300)
    assert found.loc["less", "p_holm"].tolist() == alone["p_holm"].tolist()
    assert set(alone["verdict"]) == {"better"}


def test_the_error_over_seeds_is_that_of_a_mean_of_paired_differences():
    apart = [-0.3, 0.1, 0.4, 0.2]
    common = [1.0, -2.0, 0.5, 3.0]  # how much a seed forgets whatever the method
    both = [one + other for one, other in zip(common, apart, strict=True)]
    found = at_equal_uptake(
        *seeds_apart(full=(NONE, common), m=(NONE, both)), ["m"], reference="full", resamples=4000
    )
    assert np.log(found["ratio"]).tolist() == pytest.approx([np.mean(apart)] * 3)
    assert found["error"].tolist() == pytest.approx([stats.sem(apart)] * 3, rel=0.05)


def test_a_subject_is_drawn_with_both_its_updated_and_its_unchanged_facts():
    # Along the curve a nat less taken up is a nat more forgotten: what a subject's two kinds say adds up or cancels.
    shifts = np.random.default_rng(0).normal(size=30)
    names = [f"s{number:02d}" for number in range(32)]
    up, down = (5.0, 4.0, 2.0, 0.0), (1.0, 2.0, 4.0, 6.0)
    updated = of_subjects(names[:30], up, 0.2 * shifts)
    errors = {}
    for sign in (1, -1):
        shifted = np.append(0.2 * sign * shifts, [0.0, 0.0])  # two subjects have unchanged facts alone
        unchanged = of_subjects(["a", "b", *names[:30]], down, np.roll(shifted, 2))
        found = at_equal_uptake(updated, unchanged, ["m"], reference="full", resamples=500)
        errors[sign] = found["error"].to_numpy()
    assert (errors[1] > 5 * errors[-1]).all()


def test_with_fewer_subjects_than_seeds_the_interval_is_as_wide_as_these_allow():
    names = ["s0", "s1", "s2"]
    pair = [
        of_subjects(names, line, np.array([0.1, -0.2, 0.4]) * 0.1, num_seeds=8)
        for line in ((5.0, 4.0, 2.0, 0.0), (1.0, 2.0, 4.0, 6.0))
    ]
    found = at_equal_uptake(*pair, ["m"], reference="full", resamples=500)
    half = (np.log(found["high"]) - np.log(found["low"])) / 2
    assert (half / found["error"]).tolist() == pytest.approx([stats.t.ppf(0.975, 2)] * 3)


def test_runs_without_unchanged_facts_are_refused():
    updated, _ = tables({"full": FULL, "m": FULL})
    _, unchanged = tables({"full": FULL})
    with pytest.raises(TglError, match="both updated and unchanged facts"):
        at_equal_uptake(updated, unchanged, ["m"], reference="full", resamples=100)


def test_methods_of_equal_curves_and_noisy_runs_are_seldom_told_apart():
    """Every run has noise of its own on every probe: with true curves equal, words are rare."""
    told = 0
    for world in range(60):
        rng = np.random.default_rng(world)
        subjects = rng.normal(size=(2, 1, 15))
        runs = {("base", 0.0): (5.0, 1.0)}
        runs |= {
            (name, rate): point for name in ("full", "same") for rate, point in zip(RATES, FULL, strict=True)
        }
        noisy = {
            run: [point[axis] + 0.5 * subjects[axis] + 0.05 * rng.normal(size=(4, 1)) + 0.1 * rng.normal(size=(4, 15))
                  for axis in range(2)]
            for run, point in runs.items()
        }  # fmt: skip
        updated, unchanged = (
            values({run: both[axis] for run, both in noisy.items()}, kind)
            for axis, kind in enumerate(("updated", "unchanged"))
        )
        found = at_equal_uptake(updated, unchanged, ["same"], reference="full", resamples=200)
        told += bool(set(found["verdict"]) & {"better", "worse"})
    assert told / 60 <= 0.08
