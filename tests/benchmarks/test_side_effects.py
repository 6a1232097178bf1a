"""What else changed at equal uptake, and levels of each replicate, from raw scores."""

import math

import pandas as pd
import pytest

from benchmarks.evidence.own_levels import own_levels
from benchmarks.evidence.side_effects import side_effects
from tgl.analysis.curve_points import curve_points
from tgl.report.replicates import replicate_curves


def rows(method, rate, experiment, points):
    """Return the scores of a run. A point is (loss of facts to learn, of far facts, divergence, loss of new text)."""
    found = []
    for step, (learned, far, divergence, text) in enumerate(points, method != "base"):
        values = [
            (split, name, kind, "loss", value, 10)
            for split in ("validation", "test")
            for name, kind, value in (
                ("near", "updated", learned),
                ("near", "unchanged", far),
                ("away", "unchanged", far),
            )
        ]
        if method != "base":
            values += [
                ("held_out", "text", "base", "kl_from_base", divergence, 10),
                ("held_out", "text", "base", "text_loss", 99.0, 10),
                ("held_out", "text", "20200101", "text_loss", text, 10),
                ("held_out", "text", "20210101", "text_loss", text + 1, 30),
            ]
        found += [
            {"experiment": experiment, "method": method, "rate": rate, "seed": 0, "step": step, "split": split,
             "set": name, "kind": kind, "measure": measure, "value": value, "count": count}
            for split, name, kind, measure, value, count in values
        ]  # fmt: skip
    return found


def scores(first=4.0):
    """Return those of two replicates. `full` learns 3 nats, so half of it is a loss of 3.5."""
    found = []
    for experiment, far in (("a", 0.0), ("b", 0.2)):
        found += rows("base", 0.0, experiment, [(5.0, 1.0, None, None)])
        found += rows("full", 0.1, experiment, [(first, 1.0, 0.1, 3.0), (2.0, 2.0, 0.3, 2.0)])
        found += rows("plan", 0.2, experiment, [(4.0, 1.0, 0.2, 3.0), (2.0, 3.0 + far, 0.6, 2.0)])
    return pd.DataFrame(found)


def comparison(**changed):
    row = {"method": "plan", "reference": "full", "share": 0.5, "rate": 0.2, "reference_rate": 0.1,
           "difference": 0.5}  # fmt: skip
    return pd.DataFrame([row | changed])


def test_a_measure_is_a_line_between_the_steps_around_the_level():
    found = side_effects(scores(), comparison(), 0.5).set_index("measure")
    assert list(found.index) == ["far", "kl_from_base", "new_text"]
    # The level lies a quarter of the way from the first step to the second.
    assert found.loc["far", ["reference", "difference"]].tolist() == pytest.approx([0.25, 0.275])
    assert found.loc["kl_from_base", ["reference", "difference"]].tolist() == pytest.approx([0.15, 0.15])
    # Texts are weighted by their tokens: 0.75 above the first one.
    assert found.loc["new_text", ["reference", "difference"]].tolist() == pytest.approx([2.75 + 0.75, 0.0])
    half = 12.706204736 * 0.025  # Student's t with one degree of freedom; the standard error of 0.25 and 0.30
    assert found.loc["far", ["low", "high"]].tolist() == pytest.approx([0.275 - half, 0.275 + half])


def test_a_comparison_without_a_result_or_at_another_level_is_left_out():
    assert side_effects(scores(), comparison(difference=math.nan), 0.5).empty
    assert side_effects(scores(), comparison(share=0.7), 0.5).empty
    assert side_effects(scores(), comparison(reference="last"), 0.5).empty


def test_a_level_before_the_first_scored_step_is_refused():
    with pytest.raises(
        ValueError, match=r"plan compared with full: the level .* before the first scored step"
    ):
        side_effects(scores(first=3.0), comparison(), 0.5)


def test_a_run_that_lacks_a_measure_at_a_step_is_refused():
    table = scores()
    lacking = (table["method"] == "plan") & (table["step"] == 1) & (table["measure"] == "kl_from_base")
    with pytest.raises(ValueError, match=r"plan at rate 0\.2: a scored step lacks a measure"):
        side_effects(table[~lacking], comparison(), 0.5)


def test_each_replicate_has_its_own_level():
    found = []
    # In "b" everything starts and ends 1 nat higher, so the level is 1 nat higher too.
    for experiment, more in (("a", 0.0), ("b", 1.0)):
        found += rows("base", 0.0, experiment, [(5.0 + more, 1.0, None, None)])
        found += rows("full", 0.1, experiment, [(4.0 + more, 1.0, 0.0, 0.0), (2.0 + more, 2.0, 0.0, 0.0)])
        found += rows("plan", 0.2, experiment, [(4.0 + more, 1.0, 0.0, 0.0), (2.0 + more, 3.0, 0.0, 0.0)])
    points = curve_points(replicate_curves(pd.DataFrame(found), ["updated"]))
    (row,) = own_levels(points, comparison(), 0.5).itertuples()
    assert (row.method, row.replicates) == ("plan", 2)
    assert [row.difference, row.low, row.high] == pytest.approx([0.25, 0.25, 0.25])
    assert own_levels(points, comparison(rate=math.nan), 0.5).empty
