"""Forgetting at equal uptake: on curves whose answer is known."""

import math

import numpy as np
import pytest

from tests.statistics.score_tables import values
from tgl.statistics.uptake import LEVELS, at_equal_uptake, curve_points, forgetting_at

NAN = math.nan
RATES = (0.001, 0.01, 0.1)


def at(uptake, forgetting, level):
    return float(forgetting_at(np.array(uptake), np.array(forgetting), level))


def test_a_monotone_curve_is_read_between_its_neighbouring_rates():
    uptake, forgetting = [4.0, 3.0, 1.0], [1.0, 2.0, 6.0]
    assert at(uptake, forgetting, 3.5) == pytest.approx(1.5)
    assert at(uptake, forgetting, 2.0) == pytest.approx(4.0)


@pytest.mark.parametrize(("level", "expected"), [(4.0, 1.0), (3.0, 2.0), (1.0, 6.0)])
def test_at_a_point_of_the_curve_its_own_value_is_read(level, expected):
    assert at([4.0, 3.0, 1.0], [1.0, 2.0, 6.0], level) == expected


def test_where_a_curve_passes_twice_the_smaller_forgetting_counts():
    # Down to 1 and, at too large a rate, up again with much more forgotten.
    assert at([4.0, 1.0, 5.0], [1.0, 4.0, 9.0], 2.0) == pytest.approx(3.0)
    assert at([4.0, 1.0, 5.0], [9.0, 4.0, 1.0], 2.0) == pytest.approx(4.0 - 3.0 / 4)


def test_a_curve_that_never_reaches_the_level_has_no_value():
    assert math.isnan(at([4.0, 3.0, 2.0], [1.0, 2.0, 3.0], 1.9))
    assert math.isnan(at([4.0], [1.0], 3.0))


def test_a_flat_stretch_is_read_and_divides_by_nothing():
    assert at([4.0, 2.0, 2.0, 1.0], [1.0, 3.0, 5.0, 6.0], 2.0) == 3.0


def test_a_missing_run_breaks_the_curve_there_and_only_there():
    assert at([4.0, 3.0, NAN, 1.0], [1.0, 2.0, NAN, 6.0], 3.5) == pytest.approx(1.5)
    assert math.isnan(at([4.0, 3.0, NAN, 1.0], [1.0, 2.0, NAN, 6.0], 2.0))


def test_curves_of_many_seeds_are_read_one_by_one():
    uptake = np.array([[4.0, 2.0], [4.0, 3.0], [4.0, 0.0]])
    forgetting = np.array([[0.0, 1.0], [0.0, 1.0], [0.0, 1.0]])
    assert forgetting_at(uptake, forgetting, 2.0) == pytest.approx([1.0, NAN, 0.5], nan_ok=True)


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
    return at_equal_uptake(updated, unchanged, list(methods), reference, resamples)


def test_equal_curves_give_a_ratio_of_exactly_one_at_every_level():
    found = compared({"full": FULL, "same": FULL})
    assert found["ratio"].tolist() == found["low"].tolist() == found["high"].tolist() == [1.0] * len(LEVELS)
    assert set(found["verdict"]) == {"no difference shown"}
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
    beside = compared(
        {"full": FULL, "less": [(4.0, 1.1), (2.0, 1.5), (1.0, 1.9)], "never": never}, noise=0.05
    )
    beside = beside[beside["method"] == "less"]
    assert beside["p_holm"].tolist() == pytest.approx(alone["p_holm"].tolist())


def test_one_seed_gives_a_ratio_without_an_interval():
    found = compared({"full": FULL, "same": FULL}, num_seeds=1)
    assert found["ratio"].tolist() == [1.0] * len(LEVELS)
    assert found["low"].isna().all()
    assert set(found["verdict"]) == {"one seed: no interval"}


def test_a_reference_that_takes_up_nothing_gives_no_verdict_and_no_failure():
    found = compared({"full": [(6.0, 1.2), (7.0, 1.6), (8.0, 2.0)], "same": FULL})
    assert not set(found["verdict"]) & {"better", "worse"}


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
        found = at_equal_uptake(updated, unchanged, ["same"], "full", 200)
        told += bool(set(found["verdict"]) & {"better", "worse"})
    assert told / 60 <= 0.08


def test_the_points_of_a_curve_begin_with_the_base_model_and_rise_with_the_rate():
    updated, unchanged = tables({"full": FULL[::-1]}, noise=0)
    found = curve_points(updated, unchanged, ["full"], 100)
    assert found["rate"].tolist() == [0.0, *RATES]
    assert found["updated"].tolist() == pytest.approx(np.exp([5.0, 1.0, 2.0, 4.0]))
    assert found["unchanged"].tolist() == pytest.approx(np.exp([1.0, 2.0, 1.6, 1.2]))
    assert (found["updated_low"] <= found["updated"] + 1e-9).all()
