"""What else changed at equal uptake, from raw scores."""

import math

import pandas as pd
import pytest

from benchmarks.evidence.side_effects import side_effects

STEPS = (0, 1, 2)


def rows(method, rate, experiment, points):
    """Return the scores of a run. A point is (loss of facts to learn, of far facts, divergence, loss of new text)."""
    found = []
    for step, (learned, far, divergence, text) in zip(STEPS[-len(points) :], points, strict=True):
        step = 0 if method == "base" else step
        values = [
            ("test", "near", "updated", "loss", learned),
            ("test", "near", "unchanged", "loss", 1.0),
            ("test", "away", "unchanged", "loss", far),
            ("validation", "away", "unchanged", "loss", 99.0),
        ]
        if method != "base":
            values += [("held_out", "text", "base", "kl_from_base", divergence),
                       ("held_out", "text", "base", "text_loss", 99.0),
                       ("held_out", "text", "20200101", "text_loss", text)]  # fmt: skip
        found += [
            {"experiment": experiment, "method": method, "rate": rate, "seed": 0, "step": step, "split": split,
             "set": name, "kind": kind, "measure": measure, "value": value, "count": 10}
            for split, name, kind, measure, value in values
        ]  # fmt: skip
    return found


@pytest.fixture
def scores():
    found = []
    for experiment, far in (("a", 0.0), ("b", 0.2)):
        found += rows("base", 0.0, experiment, [(5.0, 1.0, None, None)])
        found += rows("full", 0.1, experiment, [(4.0, 1.0, 0.1, 3.0), (2.0, 2.0, 0.3, 2.0)])
        found += rows("plan", 0.2, experiment, [(4.0, 1.0, 0.2, 3.0), (2.0, 3.0 + far, 0.6, 2.0)])
    return pd.DataFrame(found)


def comparison(**changed):
    row = {"method": "plan", "reference": "full", "share": 0.7, "rate": 0.2, "reference_rate": 0.1, "uptake": 2.0,
           "difference": 0.5}  # fmt: skip
    return pd.DataFrame([row | changed])


def test_a_measure_is_a_line_between_the_steps_around_the_level(scores):
    found = side_effects(scores, comparison(), 0.7).set_index("measure")
    assert list(found.index) == ["far", "kl_from_base", "new_text"]
    # The level 3.0 lies half way between both steps. Without "a" or "b" the difference would be 0.5 or 0.6.
    assert found.loc["far", ["reference", "difference"]].tolist() == pytest.approx([0.5, 0.55])
    assert found.loc["kl_from_base", ["reference", "difference"]].tolist() == pytest.approx([0.2, 0.2])
    assert found.loc["new_text", ["reference", "difference"]].tolist() == pytest.approx([2.5, 0.0])
    half = 12.706204736 * 0.05  # Student's t with one degree of freedom; the standard error of 0.5 and 0.6
    assert found.loc["far", ["low", "high"]].tolist() == pytest.approx([0.55 - half, 0.55 + half])


def test_a_comparison_without_a_result_or_at_another_level_is_left_out(scores):
    assert side_effects(scores, comparison(difference=math.nan), 0.7).empty
    assert side_effects(scores, comparison(share=0.5), 0.7).empty
    assert side_effects(scores, comparison(reference="last"), 0.7).empty


@pytest.mark.parametrize("uptake", [0.5, 4.0])
def test_a_level_outside_the_scored_steps_is_refused(scores, uptake):
    with pytest.raises(ValueError, match="does not lie between two scored steps"):
        side_effects(scores, comparison(uptake=uptake), 0.7)
