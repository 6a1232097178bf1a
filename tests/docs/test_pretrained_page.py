"""The confirmation on the pretrained model, recomputed from its raw rows."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmarks.evidence.lowest_rate import by_lowest_rate
from benchmarks.evidence.own_levels import own_levels
from benchmarks.evidence.screen import joined
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
# The best rates of the methods that reach the level.
BEST = (
    ("last", 0.001), ("random", 0.001), ("tgl_fp", 0.001), ("last+replay.0.33", 0.001), ("full+ewc.500", 0.001),
    ("alr_fisher", 0.0003), ("full+replay.0.33", 0.0003), ("full", 0.0003),
)  # fmt: skip
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
            row.verdict.replace("seed", "partition"),
        ]
        for row in planned.itertuples()
    ]


def test_no_planned_comparison_is_significant_or_equivalent(table):
    planned = table[table["share"] == CONFIG.report.level]
    assert planned["verdict"].value_counts().to_dict() == {
        "no significant difference": 9,
        "no verdict: not reached in every seed": 4,
    }
    assert not planned["equivalent"].any()
    # An interval at the first level of Holm's procedure reaches from the estimate to this.
    needed = planned["error"] * stats.t.ppf(1 - 0.025 / len(PLANNED), planned["freedom"])
    of_full = needed[planned["reference"] == "full"].dropna()
    words = f"must exceed {of_full.min():.2f} to {of_full.max():.2f} nats"
    assert words in " ".join(PAGE.split("## Question")[0].split())
    assert words in PAPER
    half = (planned["high"] - planned["low"]).dropna() / 2
    assert f"half-widths of {half.min():.1f} to {half.max():.1f} nats" in PAPER


def test_at_half_of_the_uptake_the_page_has_every_comparison_with_full(table):
    half = table[(table["share"] == 0.5) & (table["reference"] == "full")].dropna(subset=["difference"])
    assert len(half) == 7
    for row in half.itertuples():
        assert f"{cell(row)}" in TEXT.split("**Other levels.**")[1]
        assert (row.low > 0) == (row.rate >= 0.001)
    assert (table[table["share"] == 0.9]["seeds"] == 0).all()


def test_the_sign_depends_on_the_rates_of_full_as_the_page_shows(points):
    found = by_lowest_rate(points, CONFIG.report.level).set_index(["method", "lowest"])
    above = found.xs(0.001, level="lowest").dropna(subset=["difference"])
    below = found.xs(0.0003, level="lowest")["difference"]
    assert len(above) == 7
    for method, row in above.iterrows():
        assert row["difference"] < 0
        assert f"`{method}` {cell(row)}" in TEXT
        assert (row["high"] < 0) == (method == "alr_fisher")
        if method != "tgl_fp":
            assert (below[method] > 0) == (method != "full+replay.0.33")
    assert pd.isna(below["tgl_fp"])
    (alone,) = above["reference_forgetting"].unique()
    assert f"`full` forgets {alone:.3f} nats" in TEXT
    curves = curves_from(points)
    levels = [
        whole[0].mean() - level_of(whole, CONFIG.report.level)
        for whole in (curves.test["full"][rate].means()[0] for rate in (0.001, 0.0003))
    ]
    assert f"which is then {levels[0]:.2f} nats" in TEXT
    whole = curves.validation["full"][0.0003].means()[0]
    on_validation = whole[0].mean() - level_of(whole, CONFIG.report.level)
    assert f"({levels[1]:.2f} nats on test probes, {on_validation:.2f} on validation probes)" in TEXT


def test_in_the_screen_several_methods_reach_the_level_of_the_confirmation_at_the_rate_that_they_did_not_run_at():
    rows = joined([FOLDER / f"screen{number}-steps.csv" for number in (2, 3)])
    curves = replicate_curves(rows.assign(kind=rows["kind"].fillna("")), CONFIG.report.uptake).validation
    learned = {}
    for method in ("last", "first", "random", "tgl_fp", "last+replay.0.33", "full+ewc.500"):
        uptake = curves[method][0.0003].means()[0][:, 0]
        learned[method] = uptake[0] - uptake.min()
    assert max(learned.values()) < 3.65
    assert sum(value > 3.49 for value in learned.values()) >= 3


def test_the_best_rates_are_the_lowest_ones_of_the_confirmation(table):
    planned = table[(table["share"] == CONFIG.report.level) & (table["reference"] == "full")]
    best = planned.dropna(subset=["difference"]).set_index("method")["rate"].to_dict()
    assert best == {method: min(rate for name, rate in CONFIG.runs if name == method) for method in best}


def test_the_unstable_runs_are_those_of_the_page(points):
    curves = curves_from(points).test
    found = [
        (method, rate, partition)
        for method, by_rate in curves.items()
        for rate, own in by_rate.items()
        for partition, lost in enumerate(own.means()[0][-1] - own.means()[0].min(0), 1)
        if lost >= 1
    ]
    assert f"{ {9: 'Nine'}[len(found)] } of the 108 runs end with at least 1 nat less" in TEXT
    assert all(rate >= 0.001 for _, rate, _ in found)
    assert [(method, partition) for method, rate, partition in found if (method, rate) in BEST] == [
        ("full+ewc.500", 4)
    ]


def test_traced_and_first_sublayers_miss_the_level_in_one_partition_as_the_page_states(points):
    curves = curves_from(points).test
    whole, forgetting = curves["full"][0.0003].means()
    level = float(level_of(whole, CONFIG.report.level))
    of_full = forgetting_at(whole.T, forgetting.T, level)
    apart = {}
    for method in ("tgl_fp", "first"):
        uptake, lost = curves[method][0.001].means()
        apart[method] = forgetting_at(uptake.T, lost.T, level) - of_full
        assert np.isnan(apart[method]).sum() == 1
        missing = uptake.min(0).max() - level
        assert missing > 1 if method == "first" else f"by {missing:.3f} nats" in TEXT
    low, high = np.nanmin(apart["tgl_fp"]), np.nanmax(apart["tgl_fp"])
    assert f"it forgets {low:.2f} to {high:.2f} nats more than `full`" in TEXT
    low, high = -np.nanmax(apart["first"]), -np.nanmin(apart["first"])
    assert f"it forgets {low:.2f} to {high:.2f} nats less than `full`" in TEXT


def test_with_a_level_for_each_partition_the_differences_are_those_of_the_page(points, table):
    found = own_levels(points, table, CONFIG.report.level)
    assert set(found["replicates"]) == {6}
    assert rows_of(3) == [
        [f"`{row.method}`", cell(row), f"{dict(BEST)[row.method]:g}"] for row in found.itertuples()
    ]


def test_at_the_level_of_full_the_comparison_with_random_has_no_verdict(points):
    curves = replace(curves_from(points), tried=CONFIG.report.tried_rates)
    found = at_equal_uptake(
        curves, [("tgl_fp", "random")], primary=CONFIG.report.level, level_of_method="full"
    )
    row = found.set_index("share").loc[CONFIG.report.level]
    assert row["verdict"] == "no verdict: not reached in every seed"


def test_partitions_differ_as_much_as_the_page_states(points):
    curves = curves_from(points)
    uptake, forgetting = curves.test["full"][0.0003].means()
    level = float(level_of(uptake, CONFIG.report.level))
    lost = forgetting_at(uptake.T, forgetting.T, level) - forgetting[0]
    share = (uptake[0] - level) / (uptake[0] - uptake[-1])
    assert f"between {100 * share.min():.0f} % and {100 * share.max():.0f} % of what `full` learns" in TEXT
    assert f"`full` forgets between {lost.min():.2f} and {lost.max():.2f} nats" in TEXT


def test_at_half_of_what_first_learns_full_forgets_as_the_page_states(points):
    table = at_equal_uptake(curves_from(points), [("full", "first")], primary=0.7).set_index("share")
    row = table.loc[0.5]
    assert f"({row['uptake']:.2f} nats; not planned), `full` forgets {cell(row)} nats more" in TEXT


def test_other_facts_and_text_change_as_the_page_shows(rows, table):
    found = side_effects(rows, table, CONFIG.report.level).set_index(["method", "measure"])
    methods = list(dict.fromkeys(found.index.get_level_values("method")))
    measures = ("far", "kl_from_base", "new_text")
    assert rows_of(4) == [
        [f"`{method}`", *(cell(found.loc[method, measure]) for measure in measures)] for method in methods
    ]
    of_full = [found.xs(measure, level="measure")["reference"].iloc[0] for measure in measures]
    for value, words in zip(
        of_full, ("`full` has lost {} nats", "`full`: {} nats", "`full`: {} nats"), strict=True
    ):
        assert words.format(f"{value:.3f}") in TEXT
    above = found[found["low"] > 0].index
    assert {method for method, measure in above if measure == "new_text"} == {
        "last", "random", "last+replay.0.33",
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
    expected = [
        f"| `{row.method}` | {row.rate:g} | {cell(row)} | {row.verdict} |" for row in reached.itertuples()
    ]
    assert " ".join(expected) in section
    missed = set(planned["method"]) - set(reached["method"])
    assert missed == {"tgl_fp", "first"}
    (lost,) = {f"{value:.3f}" for value in reached["reference_forgetting"]}
    (rate,) = set(reached["reference_rate"])
    assert f"difference to `full` ({lost} nats at {rate:g})" in section
    row = table[(table["share"] == CONFIG.report.level) & (table["reference"] == "random")].iloc[0]
    assert f"At 70 % of what `random` learns, `tgl_fp` forgets {cell(row)} nats more than `random`" in section
