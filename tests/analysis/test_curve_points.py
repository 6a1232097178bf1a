"""Curves as a table: points by replicate, their means, and the way back."""

import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.analysis.curve_world import curves_of, world
from tests.analysis.method_curves import FLAT, LEARNED, STEEP, noisy, of, tried
from tgl.analysis.advice import advise
from tgl.analysis.curve_points import COLUMNS, curve_points, curves_from, mean_points, most_learned_rate
from tgl.analysis.equal_uptake import MethodCurves, at_equal_uptake
from tgl.core.errors import TglError


def test_a_row_holds_the_log_perplexities_of_a_replicate_at_a_point():
    curves = MethodCurves({"m": {0.1: curves_of(LEARNED, FLAT, num_seeds=2)}}, {}, 3)
    found = curve_points(curves)
    assert list(found.columns) == COLUMNS
    assert set(found["split"]) == {"validation"}
    assert found["replicate"].tolist() == [0, 1] * 4
    assert found["point"].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert found["to_learn"].tolist() == pytest.approx([5, 5, 4, 4, 3, 3, 2, 2])
    assert found["unchanged"].tolist() == pytest.approx([1, 1, 1.2, 1.2, 1.4, 1.4, 1.8, 1.8])


def test_the_mean_points_are_gains_and_losses_since_the_start():
    low, high = curves_of(LEARNED, FLAT, start=(6.0, 2.0)), curves_of(LEARNED, STEEP)
    low.uptake[1, 0] -= 0.4 * low.weights[0]  # one of four seeds learns more at first
    curves = MethodCurves({}, {"full": {0.1: low, 0.2: high}, "m": {0.1: high}}, 3)
    found = mean_points(curve_points(curves))
    assert list(found.columns) == ["method", "rate", "point", "uptake", "forgetting"]
    keys = [("full", 0.1), ("full", 0.2), ("m", 0.1)]
    assert list(found.groupby(["method", "rate"], sort=False).groups) == keys
    assert found["point"].tolist() == [0, 1, 2, 3] * 3
    assert found["uptake"].tolist() == pytest.approx([0.0, 1.1, 2.0, 3.0, *LEARNED, *LEARNED])
    assert found["forgetting"].tolist() == pytest.approx([*FLAT, *STEEP, *STEEP])


def test_only_test_probes_are_in_the_means():
    curves = of({"full": curves_of(LEARNED, STEEP)})
    assert set(curve_points(curves)["split"]) == {"validation", "test"}
    assert mean_points(curve_points(curves))["forgetting"].tolist() == pytest.approx(STEEP * 3)


def test_the_rate_that_learns_most_is_that_of_the_end_on_validation_probes():
    early, late, test = ([0.0, 2.0, 1.0], [0.0, 0.5, 1.5], [0.0, 3.0, 3.0])
    by_rate = {rate: curves_of(learned, [0.0] * 3) for rate, learned in ((0.1, early), (0.2, late))}
    other = {0.3: curves_of([0.0, 4.0, 4.0], [0.0] * 3)}
    curves = MethodCurves({"full": by_rate, "m": other}, {"full": {0.1: curves_of(test, [0.0] * 3)}}, 2)
    points = curve_points(curves)
    assert most_learned_rate(points, "full") == 0.2
    assert most_learned_rate(points, "last") is None
    assert most_learned_rate(curve_points(MethodCurves({}, {}, 2)), "full") is None


def test_no_curve_gives_an_empty_table():
    found = curve_points(MethodCurves({}, {}, 3))
    assert list(found.columns) == COLUMNS
    assert mean_points(found).empty


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(2, 5))
def test_a_file_of_curves_gives_the_same_levels_rates_and_differences(seed, num_seeds):
    curves = of(noisy(seed, (num_seeds, 5, 5), apart=-0.3))
    written = curve_points(curves).to_csv(index=False)
    read = curves_from(pd.read_csv(io.StringIO(written)))
    tables = [at_equal_uptake(each, [("m", "full")], primary=0.7) for each in (curves, read)]
    same = ["share", "rate", "reference_rate", "seeds", "uptake", "forgetting", "difference"]
    pd.testing.assert_frame_equal(tables[0][same], tables[1][same])
    assert read.steps == 6


def test_intervals_of_a_file_are_over_replicates_alone():
    """With probes of no variation of their own, both are the t interval over seeds."""
    apart = [-0.1, -0.2, -0.3, -0.4]
    full = curves_of(LEARNED, STEEP)
    own = curves_of(LEARNED, STEEP)
    for seed, shift in enumerate(apart):
        own.forgetting[1:, seed] += shift * own.weights[1]
    curves = of({"full": full, "m": own})
    row = at_equal_uptake(curves_from(curve_points(curves)), [("m", "full")], primary=0.7).iloc[1]
    assert row["difference"] == pytest.approx(-0.25)
    assert row["error"] == pytest.approx(np.std(apart, ddof=1) / 2)
    assert row["freedom"] == pytest.approx(3)


def test_advice_from_a_file_is_that_of_its_curves():
    full, own = world(np.random.default_rng(1), 6, 20, 30, apart=-0.8)
    cheap = tried(curves_of(LEARNED, [0.0, 0.1, 0.2, 0.4]), curves_of(LEARNED, STEEP))
    curves = of({"full": full, "last": own}, {"last": cheap})
    found = [
        advise(each, reference="full", primary=0.7) for each in (curves, curves_from(curve_points(curves)))
    ]
    assert [(each.method, each.rate, each.reason) for each in found] == [("last", 0.2, "")] * 2


def test_a_table_without_a_column_or_a_point_is_refused():
    points = curve_points(of({"full": curves_of(LEARNED, STEEP)}))
    with pytest.raises(TglError, match="found no column replicate, expected split, method, rate"):
        curves_from(points.drop(columns="replicate"))
    lacking = (
        "found 15 rows of full at rate 0.1 .validation., expected one for each of 4 points and 4 replicates"
    )
    with pytest.raises(TglError, match=lacking):
        curves_from(points.drop(index=5))
    with pytest.raises(TglError, match=r"found 17 rows of full at rate 0\.1"):
        curves_from(pd.concat([points, points.iloc[[5]]]))
    with pytest.raises(TglError, match="found split 'train', expected 'validation' or 'test'"):
        curves_from(points.assign(split="train"))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_value_that_is_no_number_is_refused(value):
    points = curve_points(of({"full": curves_of(LEARNED, STEEP)}))
    points.loc[5, "unchanged"] = value
    with pytest.raises(
        TglError, match=r"found a missing or infinite value of full at rate 0\.1 \(validation\)"
    ):
        curves_from(points)


def test_a_chain_has_two_points_before_its_first_scored_step():
    """The base model, and the checkpoint before the period."""
    points = curve_points(of(noisy()))
    number = points["point"].nunique()
    assert (curves_from(points).steps, curves_from(points, starts=2).steps) == (number - 1, number - 2)
