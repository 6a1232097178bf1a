"""From scores to comparisons at equal uptake, on a small world whose answers are known."""

import numpy as np
import pandas as pd
import pytest

from tests.report.score_world import RATES, probes
from tests.report.small_findings import by_comparison, small
from tgl.analysis.curve_points import mean_points
from tgl.analysis.equal_uptake import AT_THE_EDGE, NOT_MEASURED, NOT_REACHED


def test_at_equal_uptake_a_method_that_learns_more_forgets_less(findings_found):
    found = by_comparison(findings_found).loc["full"]
    assert (found.loc["tgl_fp", "difference"] < 0).all()
    assert found.loc[("tgl_fp", 0.7), "verdict"] == "better"
    assert (found.loc["full+ewc", "difference"].dropna() > 0).all()
    assert found.loc[("full+ewc", 0.7), "verdict"] == "worse"
    assert found.loc[("random", 0.7), "verdict"] == "no significant difference"


def test_numbers_at_equal_uptake_by_hand(findings_found):
    found = by_comparison(findings_found).loc[("full", "tgl_fp", 0.7)]
    # Full training learns most at the rate 0.1: 5 - 1.8. At the rate 0.01 it forgets least at this level.
    assert found["uptake"] == pytest.approx(0.7 * 3.2, abs=0.02)
    assert (found["rate"], found["reference_rate"]) == (0.01, 0.01)
    # The first of two periods loses half a nat, in proportion to the 3 nats learned by its end. The second has lost it.
    assert found["reference_forgetting"] == pytest.approx(0.25 + 0.25 * 2.24 / 3, abs=0.01)
    assert found["forgetting"] == pytest.approx(0.25 + 0.25 * 2.24 / 3.4, abs=0.01)


def test_only_the_primary_level_has_verdicts(findings_found):
    table = findings_found.equal_uptake
    assert set(table[table["share"] != 0.7]["verdict"]) == {""}
    assert not set(table[table["share"] == 0.7]["verdict"]) & {""}
    other = small(seeds=3, report={"level": 0.5}).equal_uptake
    assert set(other[other["verdict"] != ""]["share"]) == {0.5}


def test_a_traced_plan_stands_against_its_own_control(findings_found):
    found = findings_found.equal_uptake[findings_found.equal_uptake["reference"] == "tgl_fp"]
    assert set(found["method"]) == {"random"}
    assert set(found["share"]) == {0.5, 0.7, 0.9}


def test_planned_comparisons_are_the_whole_family():
    pairs = [["random", "tgl_fp"], ["tgl_fp", "full"]]
    found = small(seeds=3, report={"comparisons": pairs}).equal_uptake
    assert found[["method", "reference"]].drop_duplicates().to_numpy().tolist() == pairs
    own = found[found["share"] == 0.7]
    assert own["p_holm"].min() == pytest.approx(2 * own["p_value"].min())
    every = small(seeds=3).equal_uptake
    assert every[every["share"] == 0.7]["p_holm"].min() > own["p_holm"].min()


def test_what_a_method_does_not_reach_has_no_verdict():
    found = by_comparison(small({"full": 0.0, "random": -2.5}))
    assert found.loc[("full", "random", 0.7), "verdict"] == NOT_REACHED


def test_without_scored_steps_there_is_no_verdict_at_equal_uptake():
    found = by_comparison(small(stepped=False))
    words = set(found.loc[(slice(None), slice(None), 0.7), "verdict"])
    assert words <= {NOT_MEASURED, NOT_REACHED}
    assert NOT_MEASURED in words


def test_a_single_rate_gives_no_verdict_at_equal_uptake():
    found = by_comparison(small(rates=(0.01,), seeds=3))
    assert found.loc[("full", "tgl_fp", 0.7), "verdict"] == AT_THE_EDGE


def test_test_probes_have_no_say_in_the_rate_at_equal_uptake():
    def spoilt(table):
        wrong = (table["split"] == "test") & (table["rate"] == 0.01) & (table["kind"] == "unchanged")
        return table.assign(log_likelihood=table["log_likelihood"].where(~wrong, -100.0))

    found = small(change=spoilt).equal_uptake
    assert set(found.loc[found["rate"].notna(), "rate"]) == {0.01}


@pytest.mark.parametrize("kinds", [["new_entity"], ["updated", "new_entity"]])
def test_uptake_is_that_of_the_kinds_in_the_settings(kinds):
    def entities_learn_less(table):
        """Take one nat of what is learned of new entities away."""
        less = (
            (table["kind"] == "new_entity")
            & (table["method"] != "base")
            & (table["checkpoint"] >= table["period"])
        )
        return table.assign(log_likelihood=table["log_likelihood"] - 2.0 * less)

    found = small(change=entities_learn_less, report={"uptake": kinds})
    points = mean_points(found.curves)
    ends = points[(points["method"] == "full") & (points["rate"] == 0.01)]
    assert ends["uptake"].iloc[-1] == pytest.approx(3.0 - 1.0 / len(kinds), abs=0.05)


def test_curves_lead_from_the_start_through_the_scored_steps(findings_found):
    points = mean_points(findings_found.curves)
    own = points[points["method"] == "full"]
    assert set(own["rate"]) == set(RATES)
    for rate, end in zip(RATES, (1.0, 3.0, 3.2), strict=True):
        line = own[own["rate"] == rate]
        # The base model, the checkpoint before each period, and the scored steps.
        assert line["point"].tolist() == [0, 1, 2, 3, 4]
        assert line["uptake"].tolist() == pytest.approx([0, *np.linspace(0, end, 4)], abs=0.02)


@pytest.mark.parametrize("kind", ["updated", "unchanged"])
def test_without_updated_or_unchanged_facts_there_is_no_equal_uptake_and_no_failure(kind):
    asked = probes(4)
    found = small(asked=asked[asked["kind"] != kind])
    assert found.equal_uptake.empty
    assert found.curves.empty
    assert kind not in set(found.summary["kind"])


def test_probes_of_the_base_year_that_no_run_was_trained_on_disturb_nothing():
    """The base model is scored on them at their own checkpoint, the methods never are."""
    asked = probes(4)
    extra = asked[asked["period"] == "2020"].assign(period="2019")
    extra = extra.assign(id="early-" + extra["id"], subject="early-" + extra["subject"])
    both = type(asked)(asked.to_dict("records") + extra.to_dict("records"))
    found = small(asked=both)
    without = small(asked=both, change=lambda table: table[~table["probe"].str.startswith("early-")])
    pd.testing.assert_frame_equal(found.equal_uptake, without.equal_uptake)
