"""Intervals over seeds, paired differences and the words they allow."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tgl.analysis.compare import compare, holm_levels, verdict
from tgl.analysis.crossed import Estimate, mean_estimate
from tgl.analysis.values import text_values

quick = settings(deadline=None, derandomize=True, max_examples=50)
RATE = 0.003


def over_seeds(numbers):
    """Return the estimate of one number a seed."""
    return mean_estimate(np.array(numbers, dtype=float)[:, None], np.ones(1))


@quick
@given(st.lists(st.floats(-100, 100), min_size=2, max_size=12))
def test_the_interval_is_student_s_as_scipy_gives_it(numbers):
    found, error = over_seeds(numbers), stats.sem(numbers)
    assert found.mean == pytest.approx(np.mean(numbers))
    assert found.num_seeds == len(numbers)
    if error > 1e-9:
        expected = stats.t.interval(0.95, len(numbers) - 1, loc=np.mean(numbers), scale=error)
        assert found.interval() == pytest.approx(expected)
        assert found.p_value() == pytest.approx(stats.ttest_1samp(numbers, 0).pvalue)


def test_one_seed_gives_no_interval_and_no_p_value():
    found = over_seeds([3.0])
    assert (found.mean, found.num_seeds) == (3.0, 1)
    assert all(math.isnan(value) for value in (*found.interval(), found.p_value()))


@pytest.mark.parametrize(
    ("mean", "measure", "expected"),
    [
        (-1.5, "perplexity", "better"),
        (-1.5, "macro_perplexity", "better"),
        (-1.5, "loss", "better"),
        (-1.5, "ranked_first", "worse"),
        (-1.5, "log_likelihood_per_byte", "worse"),
        (1.5, "perplexity", "worse"),
        (1.5, "loss", "worse"),
        (1.5, "ranked_first", "better"),
        (1.5, "log_likelihood_per_byte", "better"),
        (0.3, "perplexity", "no significant difference"),
        (-0.3, "ranked_first", "no significant difference"),
    ],
)
def test_the_verdict_follows_the_interval_and_what_is_better(mean, measure, expected):
    found = Estimate(mean, 0.1, 3, 2)  # half of the interval: 0.43
    assert verdict(found, 0.95, True, measure=measure) == expected
    assert verdict(found, 0.95, False, measure=measure) == "no significant difference"
    assert verdict(Estimate(mean, math.nan, 1), 0.95, True, measure=measure) == "one seed: no interval"


def summary(method_values, measure):
    """Return the comparisons with `full` of methods with one number a seed, by method."""
    rows = [
        {"method": method, "rate": RATE, "seed": seed, "value": value}
        for method, numbers in method_values.items()
        for seed, value in enumerate(numbers)
    ]
    values = {("world", "updated", measure): text_values(pd.DataFrame(rows))}
    return compare(values, dict.fromkeys(method_values, RATE), "full").set_index("method")


def test_differences_are_paired_by_seed():
    # Seeds differ a lot, the method by almost the same in each: only a paired interval excludes zero.
    full = np.array([0.1, 0.5, 0.9])
    found = summary({"full": full, "tgl": full + np.array([0.05, 0.06, 0.055])}, "ranked_first").loc["tgl"]
    apart = stats.t.interval(0.95, 2, loc=0.055, scale=stats.sem([0.05, 0.06, 0.055]))
    assert (found["difference_low"], found["difference_high"]) == pytest.approx(apart)
    assert (found["difference"], found["verdict"], found["seeds"]) == (pytest.approx(0.055), "better", 3)
    assert found["difference_is"] == "difference"


def test_perplexities_are_compared_as_ratios_with_geometric_means():
    found = summary({"full": np.log([2.0, 8.0]), "tgl": np.log([4.0, 64.0])}, "perplexity")
    assert found.loc["full", "mean"] == pytest.approx(4)
    assert found.loc["tgl", "difference"] == pytest.approx(4)
    logs = np.log([2.0, 8.0])
    apart = stats.t.interval(0.95, 1, loc=logs.mean(), scale=stats.sem(logs))
    assert found.loc["tgl", "difference_low"] == pytest.approx(math.exp(apart[0]))
    assert found.loc["tgl", "difference_is"] == "ratio"
    assert found.loc["tgl", "verdict"] == "no significant difference"


def test_a_lower_perplexity_in_every_seed_is_better_and_a_higher_one_worse():
    full = np.log([2.0, 8.0, 5.0])
    found = summary(
        {"full": full, "low": full - [0.7, 0.71, 0.69], "high": np.add(full, [0.69, 0.7, 0.71])}, "perplexity"
    )
    assert found["verdict"].to_dict() == {"full": "", "low": "better", "high": "worse"}


def test_the_reference_gets_no_verdict():
    found = summary({"full": [1.0, 2.0], "other": [3.0, 4.5]}, "loss")
    assert found.loc["full", "verdict"] == ""
    assert math.isnan(found.loc["full", "difference"])


def test_one_seed_gives_a_difference_without_an_interval():
    found = summary({"full": [1.0], "tgl": [3.0]}, "loss").loc["tgl"]
    assert (found["difference"], found["verdict"]) == (2.0, "one seed: no interval")
    assert math.isnan(found["difference_low"])


def test_only_seeds_that_both_methods_have_are_compared():
    found = summary({"full": [1.0, 2.0, 3.0], "tgl": [1.5, 2.5]}, "loss").loc["tgl"]
    assert found["difference"] == pytest.approx(0.5)


def test_holm_s_correction_by_hand():
    found = holm_levels({"a": 0.04, "b": 0.01, "c": 0.03, "d": math.nan})
    assert [found[key][0] for key in "bca"] == pytest.approx([0.03, 0.06, 0.06])
    assert [found[key][1] for key in "bca"] == pytest.approx([1 - 0.05 / 3, 1 - 0.05 / 2, 0.95])
    assert [found[key][2] for key in "bca"] == [True, True, False]  # all smaller ones passed
    assert math.isnan(found["d"][0])
    assert not found["d"][2]


def test_many_comparisons_of_one_measure_need_more_than_one():
    """The same difference is significant alone and not among twenty."""
    full = np.array([0.1, 0.5, 0.9])
    apart = np.array([0.05, 0.07, 0.06])
    alone = summary({"full": full, "tgl": full + apart}, "ranked_first")
    noise = {f"m{n}": full + np.array([0.01, -0.02, 0.03]) * (-1) ** n for n in range(20)}
    among = summary({"full": full, "tgl": full + apart, **noise}, "ranked_first")
    assert alone.loc["tgl", "verdict"] == "better"
    assert among.loc["tgl", "verdict"] == "no significant difference"
    assert among.loc["tgl", "p_holm"] == pytest.approx(21 * among.loc["tgl", "p_value"])
    assert among.loc["tgl", "difference_low"] == alone.loc["tgl", "difference_low"]
    assert among.loc["tgl", "corrected_low"] < alone.loc["tgl", "corrected_low"]
