"""Comparisons at equal uptake, pooled over experiments."""

import math

import pandas as pd
import pytest

from tgl.analysis.equal_uptake import AT_THE_EDGE, NOT_REACHED, ONE_SEED
from tgl.report.across import pooled_uptake


def uptake_row(experiment, difference, error=0.1, method="tgl_fp", share=0.7, **changes):
    found = {
        "experiment": experiment, "reference": "full", "method": method, "share": share, "seeds": 4,
        "difference": difference, "error": error, "freedom": 3.0, "reference_forgetting": 1.0,
        "own_rates_seeds": 4, "own_rates_difference": difference / 2, "own_rates_error": error,
        "own_rates_freedom": 3.0,
        "verdict": "no significant difference",
    }  # fmt: skip
    return found | changes


def pool(*rows, num_experiments=2):
    return pooled_uptake(pd.DataFrame(rows), num_experiments)


def test_pooled_differences_are_means_of_worlds_by_hand():
    rows = [uptake_row("a", -0.2, 0.03), uptake_row("b", -0.4, 0.04, reference_forgetting=2.0)]
    found = pool(*rows).iloc[0]
    assert found["difference"] == pytest.approx(-0.3)
    assert found["reference_forgetting"] == pytest.approx(1.5)
    # Error sqrt(9 + 16) / 200. Degrees of freedom of Welch and Satterthwaite: 25^2 / ((9^2 + 16^2) / 3) = 5.56.
    half = 2.494175 * 0.025
    assert (found["low"], found["high"]) == pytest.approx((-0.3 - half, -0.3 + half), rel=1e-4)
    assert found["verdict"] == "better"
    assert found["p_holm"] == found["p_value"]


def test_pooled_degrees_of_freedom_are_those_of_the_rows():
    few, many = (
        pool(*(uptake_row(name, -0.2, freedom=freedom) for name in "ab")).iloc[0] for freedom in (3.0, 30.0)
    )
    assert many["high"] < few["high"]
    assert many["p_value"] < few["p_value"]


@pytest.mark.parametrize(("difference", "expected"), [(0.05, True), (0.15, False), (-0.05, True)])
def test_pooled_equivalence_is_within_a_tenth_of_the_mean_forgetting(difference, expected):
    found = pool(*(uptake_row(name, difference, 0.001) for name in "ab")).iloc[0]
    assert found["equivalent"] == expected


def test_worlds_that_contradict_each_other_give_no_significant_difference():
    assert pool(uptake_row("a", -0.5), uptake_row("b", 0.5)).iloc[0]["verdict"] == "no significant difference"


@pytest.mark.parametrize(
    "change",
    [
        {"seeds": 1, "error": math.nan, "verdict": ONE_SEED},
        {"seeds": 0, "error": math.nan, "difference": math.nan, "verdict": NOT_REACHED},
        {"verdict": AT_THE_EDGE},
    ],
)
def test_a_comparison_without_a_verdict_in_one_world_is_not_pooled_and_stays_in_the_family(change):
    partly = [uptake_row("a", -0.5), uptake_row("b", **{"difference": -0.5} | change)]
    (found,) = pool(*partly).to_dict("records")
    assert found["verdict"] == "no verdict: has one in 1 of 2 experiments"
    assert math.isnan(found["difference"])
    assert math.isnan(found["p_holm"])
    good = [uptake_row(name, -0.2, method="random") for name in "ab"]
    (alone,) = pool(*good).to_dict("records")
    among = pool(*good, *partly).set_index("method").loc["random"]
    assert among["p_value"] == alone["p_value"] == alone["p_holm"]
    assert among["p_holm"] == pytest.approx(2 * alone["p_value"])


def test_differences_at_own_rates_are_pooled_where_every_world_has_one():
    found = pool(uptake_row("a", -0.2, 0.03), uptake_row("b", -0.4, 0.04, verdict=AT_THE_EDGE)).iloc[0]
    assert found["verdict"] == "no verdict: has one in 1 of 2 experiments"
    half = 2.494175 * 0.025
    assert found["own_rates_difference"] == pytest.approx(-0.15)
    assert (found["own_rates_low"], found["own_rates_high"]) == pytest.approx(
        (-0.15 - half, -0.15 + half), rel=1e-4
    )
    missing = {"own_rates_seeds": 3, "own_rates_difference": math.nan, "own_rates_error": math.nan}
    found = pool(uptake_row("a", -0.2, 0.03), uptake_row("b", -0.4, 0.04, **missing)).iloc[0]
    assert math.isnan(found["own_rates_difference"])
    assert found["difference"] == pytest.approx(-0.3)


def test_rows_of_other_levels_are_not_pooled_and_not_counted():
    good = [uptake_row(name, -0.2) for name in "ab"]
    found = pool(*good, *(uptake_row(name, -0.2, share=0.9, verdict="") for name in "ab"))
    assert found["share"].tolist() == [0.7]
    assert found["p_holm"].tolist() == found["p_value"].tolist()


def test_a_comparison_of_one_world_is_not_pooled():
    found = pool(uptake_row("a", -0.5), uptake_row("b", -0.5), uptake_row("a", -0.5, method="random"))
    assert found.set_index("method")["difference"].isna().to_dict() == {"tgl_fp": False, "random": True}


def test_all_planned_comparisons_are_one_family():
    rows = [uptake_row(name, -0.2, method=method) for name in "ab" for method in ("x", "y", "z")]
    rows += [uptake_row(name, -0.2, reference="tgl_fp", method="random") for name in "ab"]
    found = pool(*rows)
    assert found["reference"].tolist() == ["full"] * 3 + ["tgl_fp"]
    assert (found["p_holm"] / found["p_value"]).max() == pytest.approx(4.0)


def test_nothing_to_pool_is_an_empty_table():
    assert pooled_uptake(pd.DataFrame(), 2).empty
