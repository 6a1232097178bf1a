"""The confirmation on the pretrained model, recomputed from its raw rows."""

from dataclasses import replace

import pandas as pd
import pytest

from benchmarks.evidence.lowest_rate import by_lowest_rate
from benchmarks.evidence.side_effects import side_effects
from tests.cli.running import passes
from tests.support.paths import REPOSITORY
from tgl.analysis.curve_points import curve_points, curves_from
from tgl.analysis.equal_uptake import at_equal_uptake
from tgl.analysis.uptake import forgetting_at, level_of
from tgl.config.check import load_config
from tgl.report.replicates import replicate_curves, shown, whole_runs

FOLDER = REPOSITORY / "docs" / "evidence" / "pretrained"
PAGE = (FOLDER / "README.md").read_text()
SECTION = PAGE.split("## What the confirmation shows\n")[1].split("\n## ")[0]
TEXT = " ".join(SECTION.split())
PAPER = " ".join((FOLDER.parent / "README.md").read_text().split())
CONFIG = load_config(REPOSITORY / "workflow" / "presets" / "pretrained-confirmation.yaml")
PLANNED = [tuple(pair) for pair in CONFIG.report.comparisons]


@pytest.fixture(scope="module")
def rows():
    table = pd.read_csv(FOLDER / "confirmation-steps.csv")
    return table.assign(kind=table["kind"].fillna(""))


@pytest.fixture(scope="module")
def points():
    return pd.read_csv(FOLDER / "confirmation-curves.csv")


@pytest.fixture(scope="module")
def table():
    found = pd.read_csv(FOLDER / "confirmation-equal_uptake.csv")
    return found.assign(verdict=found["verdict"].fillna(""))


def test_every_planned_run_of_six_partitions_is_there(rows):
    kept, left = whole_runs(rows, CONFIG)
    assert left == []
    assert kept["experiment"].nunique() == 6


def test_the_comparisons_are_those_of_the_raw_rows(rows, table):
    kept, _ = whole_runs(rows, CONFIG)
    curves = replace(replicate_curves(kept, CONFIG.report.uptake), tried=CONFIG.report.tried_rates)
    again = at_equal_uptake(curves, PLANNED, primary=CONFIG.report.level)
    pd.testing.assert_frame_equal(again, table, check_dtype=False)


def test_the_curves_are_those_of_the_raw_rows(rows, points):
    kept, _ = whole_runs(rows, CONFIG)
    again = curve_points(replicate_curves(kept, CONFIG.report.uptake))
    pd.testing.assert_frame_equal(again, points, check_dtype=False)


def rows_of(cells):
    """Return the cells of the rows of the section that have a number of cells and begin with a method."""
    found = [line.strip("|").split("|") for line in SECTION.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in row] for row in found if len(row) == cells]


def cell(row, start=""):
    value, low, high = (getattr(row, f"{start}{name}") for name in ("difference", "low", "high"))
    return "–" if pd.isna(value) else shown(value, low, high)


def number(value):
    return "–" if pd.isna(value) else f"{value:.3f}"


def test_the_page_shows_every_planned_comparison(table):
    planned = table[table["share"] == CONFIG.report.level]
    assert list(zip(planned["method"], planned["reference"], strict=True)) == PLANNED
    assert len(PLANNED) == 13
    assert rows_of(7) == [
        [
            f"`{row.method}`",
            f"`{row.reference}`",
            number(row.forgetting),
            number(row.reference_forgetting),
            cell(row),
            cell(row, "own_rates_"),
            row.verdict,
        ]
        for row in planned.itertuples()
    ]


def test_no_planned_comparison_is_significant_or_equivalent(table):
    planned = table[table["share"] == CONFIG.report.level]
    assert set(planned["verdict"]) == {"no significant difference", "no verdict: not reached in every seed"}
    assert not planned["equivalent"].any()
    reached = planned.set_index(["method", "reference"]).dropna(subset=["difference"])
    for pair in (("full+replay.0.33", "full"), ("alr_fisher", "full")):
        assert cell(reached.loc[pair]) in TEXT
    assert cell(reached.loc["full+replay.0.33", "full"]) in " ".join(PAGE.split("## Question")[0].split())
    assert cell(reached.loc["full+replay.0.33", "full"]) in PAPER
    of_full = reached.xs("full", level="reference")
    assert of_full["difference"].idxmin() == "full+replay.0.33"
    assert set(of_full.index[of_full["low"] > 0]) == {"last+replay.0.33", "full+ewc.500"}
    half = (planned["high"] - planned["low"]).dropna() / 2
    assert (round(half.min(), 1), round(half.max(), 1)) == (0.2, 0.9)


def test_at_half_of_the_uptake_the_page_has_the_values_of_the_table(table):
    half = table[table["share"] == 0.5].set_index(["method", "reference"])
    for pair in (("last", "full"), ("tgl_fp", "full"), ("last+replay.0.33", "full"), ("alr_fisher", "last")):
        assert cell(half.loc[pair]) in TEXT
    assert (table[table["share"] == 0.9]["seeds"] == 0).all()


def test_with_a_lower_rate_of_full_the_signs_are_reversed(points):
    found = by_lowest_rate(points, CONFIG.report.level).set_index(["method", "lowest"])
    above = found.xs(0.001, level="lowest")["difference"].dropna()
    below = found.xs(0.0003, level="lowest")["difference"]
    assert set(below.index) - set(above.index) == {"first"}
    for method, difference in above.items():
        assert difference < 0
        assert f"`{method}` {difference:.3f}" in TEXT
        assert (
            pd.isna(below[method])
            if method == "tgl_fp"
            else (below[method] > 0) == (method != "full+replay.0.33")
        )
    (alone,) = found.xs(0.001, level="lowest")["reference_forgetting"].dropna().unique()
    assert f"it forgets {alone:.3f} nats" in TEXT
    assert cell(found.loc["alr_fisher", 0.001]) in TEXT


def test_partitions_differ_as_much_as_the_page_states(points):
    curves = curves_from(points)
    uptake, forgetting = curves.test["full"][0.0003].means()
    lost = forgetting_at(uptake.T, forgetting.T, float(level_of(uptake, CONFIG.report.level))) - forgetting[0]
    assert f"`full` forgets between {lost.min():.2f} and {lost.max():.2f} nats" in TEXT


def test_at_half_of_what_first_learns_full_forgets_as_the_page_states(points):
    table = at_equal_uptake(curves_from(points), [("full", "first")], primary=0.7).set_index("share")
    row = table.loc[0.5]
    assert f"learns ({row['uptake']:.2f} nats; not planned)" in TEXT
    assert (
        f"`full` forgets {row['forgetting']:.3f} nats and `first` {row['reference_forgetting']:.3f}: {cell(row)} more"
        in TEXT
    )


def test_other_facts_and_text_change_as_the_page_shows(rows, table):
    found = side_effects(rows, table, CONFIG.report.level).set_index(["method", "measure"])
    methods = list(dict.fromkeys(found.index.get_level_values("method")))
    measures = ("far", "kl_from_base", "new_text")
    assert rows_of(4) == [
        [f"`{method}`", *(cell(found.loc[method, measure]) for measure in measures)] for method in methods
    ]
    of_full = [found.xs(measure, level="measure")["reference"].iloc[0] for measure in measures]
    for value, words in zip(of_full, ("has lost {}", "`full`: {} nats", "`full`: {})"), strict=True):
        assert words.format(f"{value:.3f}") in TEXT
    above = found[found["low"] > 0].index
    assert {method for method, measure in above if measure == "new_text"} == {
        "last", "random", "last+replay.0.33", "full+ewc.500",
    }  # fmt: skip
    assert {method for method, measure in above if measure == "far"} == {"random", "full+ewc.500"}


def test_the_advice_on_these_tables_is_that_of_the_page():
    preset = REPOSITORY / "workflow" / "presets" / "pretrained-confirmation.yaml"
    printed = passes("advise", FOLDER / "confirmation-curves.csv", "--config", preset)
    assert "no recommendation: full+replay.0.33 compared with full: no significant difference" in printed
    assert "if it is real: 256" in printed


def test_the_paper_shows_the_comparisons_with_full(table):
    planned = table[(table["share"] == CONFIG.report.level) & (table["reference"] == "full")]
    reached = planned.dropna(subset=["difference"]).sort_values("difference")
    section = PAPER.split("### 3.6")[1].split(" ## ")[0]
    expected = [f"| `{row.method}` | {cell(row)} | {row.verdict} |" for row in reached.itertuples()]
    assert " ".join(expected) in section
    missed = set(planned["method"]) - set(reached["method"])
    assert missed == {"tgl_fp", "first"}
    (lost,) = {f"{value:.3f}" for value in reached["reference_forgetting"]}
    assert f"difference to `full` ({lost} nats)" in section
    row = table[(table["share"] == CONFIG.report.level) & (table["reference"] == "random")].iloc[0]
    assert f"`tgl_fp` forgets {cell(row)} nats more than `random`" in section
