"""Advice from parts of the runs on the default world, compared with what all of them show."""

from dataclasses import replace
from itertools import combinations

import pandas as pd
import pytest

from tests.support.paths import REPOSITORY
from tgl.analysis.advice import advise
from tgl.analysis.curve_points import curves_from
from tgl.analysis.equal_uptake import at_equal_uptake
from tgl.config.check import load_config
from tgl.report.advice import write_advice

FOLDER = REPOSITORY / "docs" / "evidence" / "architectures"
CURVES = FOLDER / "gpt2-curves.csv"


@pytest.fixture(scope="module")
def points():
    return pd.read_csv(CURVES)


@pytest.fixture(scope="module")
def config():
    return load_config(REPOSITORY / "workflow" / "presets" / "architectures" / "gpt2.yaml")


def advice_from(points, seeds, reference="full"):
    return advise(curves_from(points[points["replicate"].isin(seeds)]), reference=reference, primary=0.5)


def test_all_runs_recommend_no_plan_as_the_full_study_found(config):
    study = pd.read_csv(FOLDER / "gpt2-equal_uptake.csv").query("reference == 'full' and share == 0.5")
    assert len(study) == 5
    assert (study["difference"] > 0).all()
    assert "better" not in set(study["verdict"])
    lines = write_advice([CURVES], config, budget=None, output=None)
    assert "no recommendation: no method forgets less than full on validation probes" in lines


def test_at_most_one_in_twenty_screens_of_half_the_seeds_recommends_a_plan(points):
    """All 70 screens of four seeds, of which 5 % may recommend by chance what the full study does not find."""
    found = [advice_from(points, seeds) for seeds in combinations(range(8), 4)]
    assert len(found) == 70
    assert sum(not each.reason for each in found) / 70 <= 0.05


def test_a_grid_without_the_best_rate_of_full_recommends_nothing(points):
    """Without the low rates every plan seems to forget less than full. The advice must not follow."""
    high = points[(points["method"] != "full") | (points["rate"] >= 0.0015)]
    found = advice_from(high, range(8))
    row = found.over("full")
    assert row["high"] < 0
    assert (
        found.reason == f"{found.method} compared with full: no verdict: best rate at the edge of those tried"
    )


def test_what_the_full_study_finds_better_is_recommended_and_screens_agree_in_direction(points):
    """Over the plan of unchanged facts, full training is better in the full study, and others forget less too."""
    reference = "tgl_fp.unchanged"
    whole = advice_from(points, range(8), reference)
    assert (whole.method, whole.rate, whole.reason) == ("full", 0.0001875, "")
    curves = curves_from(points)
    others = [(method, reference) for method in curves.test if method != reference]
    study = at_equal_uptake(curves, others, primary=0.5).query("share == 0.5").set_index("method")
    halves = [advice_from(points, seeds, reference) for seeds in combinations(range(8), 4)]
    recommended = {each.method for each in halves if not each.reason}
    assert recommended
    assert (study.loc[sorted(recommended), "difference"] < 0).all()


def test_rates_of_an_earlier_experiment_give_the_advice_an_inner_best_rate(points):
    lowest = points[(points["method"] != "full") | (points["rate"] >= 0.0001875)]
    curves = curves_from(lowest)
    assert curves.at_the_edge("full", 0.0001875)
    assert not replace(curves, tried={"full": [0.00009375]}).at_the_edge("full", 0.0001875)
