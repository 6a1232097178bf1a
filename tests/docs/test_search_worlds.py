"""The numbers of the search's confirmation, recomputed from the committed tables of its four worlds."""

import json

import pandas as pd
import pytest

from tests.support.paths import REPOSITORY
from tgl.analysis.curve_points import curves_from
from tgl.analysis.equal_uptake import at_equal_uptake
from tgl.config.check import load_config
from tgl.report.across import pooled_uptake
from tgl.report.replicates import shown

FOLDER = REPOSITORY / "docs" / "evidence" / "search"
PAGE = (FOLDER / "README.md").read_text()
SUMMARY = " ".join((FOLDER.parent / "README.md").read_text().split())
CONFIG = load_config(REPOSITORY / "workflow" / "presets" / "search-confirmation.yaml")
WORLDS = [11, 12, 13, 14]
PLANNED = [tuple(pair) for pair in CONFIG.report.comparisons]


@pytest.fixture(scope="module")
def worlds():
    table = pd.read_csv(FOLDER / "worlds-equal_uptake.csv")
    return table.assign(verdict=table["verdict"].fillna(""))


@pytest.fixture(scope="module")
def pooled():
    return pd.read_csv(FOLDER / "worlds-pooled.csv").set_index(["method", "reference"])


def test_the_pooled_comparisons_are_those_of_the_worlds(worlds, pooled):
    assert worlds["experiment"].unique().tolist() == [f"search-world{world}" for world in WORLDS]
    again = pooled_uptake(worlds, len(WORLDS)).set_index(["method", "reference"])
    assert again.index.tolist() == pooled.index.tolist() == PLANNED
    pd.testing.assert_frame_equal(again, pooled, check_dtype=False)


@pytest.mark.parametrize("world", WORLDS)
def test_the_curves_of_a_world_give_its_differences(worlds, world):
    curves = curves_from(pd.read_csv(FOLDER / f"world{world}-curves.csv"))
    again = at_equal_uptake(curves, PLANNED, primary=0.5).query("share == 0.5")
    own = worlds[(worlds["experiment"] == f"search-world{world}") & (worlds["share"] == 0.5)]
    for column in ("rate", "reference_rate", "difference", "own_rates_difference"):
        assert again[column].tolist() == pytest.approx(own[column].tolist(), abs=1e-8, nan_ok=True), column


def test_the_table_shows_every_planned_comparison(worlds, pooled):
    half = worlds[worlds["share"] == 0.5].set_index(["method", "reference", "experiment"])
    expected = []
    for (method, reference), row in pooled.iterrows():
        each = [half.loc[(method, reference, f"search-world{world}"), "difference"] for world in WORLDS]
        expected.append(
            [
                f"`{method}`",
                f"`{reference}`",
                *("–" if pd.isna(value) else f"{value:.3f}" for value in each),
                "–" if pd.isna(row.difference) else shown(row.difference, row.low, row.high),
                "–" if pd.isna(row.own_rates_difference) else
                shown(row.own_rates_difference, row.own_rates_low, row.own_rates_high),
                row.verdict,
            ]
        )  # fmt: skip
    rows = [
        line.strip("|").split("|")
        for line in PAGE.splitlines()
        if line.startswith("| `") and line.count("|") == 10
    ]
    assert [[cell.strip() for cell in row] for row in rows] == expected


def test_the_gates_of_every_world_are_counted():
    gates = pd.DataFrame(json.loads((FOLDER / "worlds-gate.json").read_text()))
    missed = gates[~gates["met"].astype(bool)]
    assert f"{len(gates) - len(missed)} of {len(gates)} gates are met" in " ".join(PAGE.split())


def test_the_numbers_of_the_text_are_those_of_the_tables(worlds, pooled):
    text = " ".join(PAGE.split())
    half = worlds[worlds["share"] == 0.5].set_index(["method", "reference", "experiment"])
    better = half[half["verdict"] == "better"]
    assert set(better.index) == {("full+replay.0.33", "full", f"search-world{world}") for world in (11, 12)}
    for world in (11, 12):
        row = half.loc[("full+replay.0.33", "full", f"search-world{world}")]
        assert shown(row.difference, row.low, row.high) in text
        assert shown(row.difference, row.low, row.high) in SUMMARY
    row = half.loc[("full+replay.0.33", "full", "search-world11")]
    assert shown(row.own_rates_difference, row.own_rates_low, row.own_rates_high) in text
    assert half.loc[("full+replay.0.33", "full", "search-world12"), "own_rates_seeds"] == 2
    over_full = half.xs("full", level="reference")
    assert (over_full["difference"].dropna() < 0).all()
    lost = over_full["reference_forgetting"].dropna()
    assert f"forgets {lost.min():.3f} to {lost.max():.3f} nats in worlds 11, 12 and 14" in text
    edge = half[half["verdict"].str.contains("edge")]
    assert set(edge.xs("last.unchanged+replay.1", level="method").index.get_level_values("experiment")) == {
        f"search-world{world}" for world in WORLDS
    }
    assert half.xs("search-world14", level="experiment")["verdict"].str.contains("edge").all()
    row = pooled.loc[("last.unchanged+replay.1", "full+replay.1")]
    assert shown(row.own_rates_difference, row.own_rates_low, row.own_rates_high) in text
    assert set(half.xs("search-world13", level="experiment").xs("full", level="reference")["seeds"]) == {3}
