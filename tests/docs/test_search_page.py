"""The numbers of the page on the search, recomputed from the committed tables."""

import json

import pandas as pd
import pytest

from benchmarks.evidence.lowest_rate import by_lowest_rate
from tests.support.paths import REPOSITORY
from tgl.analysis.advice import advise
from tgl.analysis.curve_points import curves_from
from tgl.analysis.equal_uptake import at_equal_uptake
from tgl.config.check import load_config
from tgl.train.methods import rate_text

FOLDER = REPOSITORY / "docs" / "evidence" / "search"
PAGE = (FOLDER / "README.md").read_text()
PRESETS = REPOSITORY / "workflow" / "presets"


@pytest.fixture(scope="module")
def over_full():
    table = pd.read_csv(FOLDER / "equal_uptake.csv").query("reference == 'full' and share == 0.5")
    return table.sort_values("forgetting")


@pytest.fixture(scope="module")
def advice():
    return advise(curves_from(pd.read_csv(FOLDER / "curves.csv")), reference="full", primary=0.5)


def test_the_table_has_every_comparison_with_full(over_full):
    rows = [
        line.strip("|").split("|")
        for line in PAGE.splitlines()
        if line.startswith("| `") and line.count("|") == 6
    ]
    shown = [tuple(cell.strip() for cell in row) for row in rows]
    expected = []
    for row in over_full.itertuples():
        interval = "" if pd.isna(row.low) else f" [{row.low:.3f}, {row.high:.3f}]"
        apart = f"{row.difference:.3f}{interval}"
        expected.append((f"`{row.method}`", rate_text(row.rate), f"{row.forgetting:.3f}", apart, row.verdict))
    assert shown == expected
    (lost,) = {f"{value:.3f}" for value in over_full["reference_forgetting"]}
    assert f"difference to `full` ({lost})" in PAGE
    assert set(over_full["reference_rate"]) == {0.0001875}
    assert "better" not in set(over_full["verdict"])


def test_the_curves_give_the_same_differences(over_full):
    curves = curves_from(pd.read_csv(FOLDER / "curves.csv"))
    again = at_equal_uptake(curves, [(name, "full") for name in over_full["method"]], primary=0.5)
    again = again.query("share == 0.5")
    assert again["difference"].tolist() == pytest.approx(over_full["difference"].tolist(), abs=1e-8)


def test_advice_recommends_nothing(advice):
    found = "last.unchanged+replay.1 over full: no significant difference"
    assert advice.reason == f"{found} (Holm's correction for 13 comparisons)"


def test_the_confirmation_has_the_first_methods_of_the_validation_probes(advice):
    first = advice.ranking["method"].tolist()
    chosen = first[: first.index("full")]
    assert chosen == [
        "last.unchanged+replay.1",
        "full+replay.1",
        "full+replay.0.33",
        "full+fggm.0.3",
        "alr_fisher",
    ]
    config = load_config(PRESETS / "search-confirmation.yaml")
    assert set(config.methods) == {"full", *chosen}
    best = dict(zip(advice.ranking["method"], advice.ranking["rate"], strict=True))
    searched = load_config(PRESETS / "search.yaml")
    for method in config.methods:
        assert best[method] in config.rates_of(method)
        assert sorted(config.report.tried_rates[method]) == sorted(searched.rates_of(method))
    assert len(config.report.comparisons) == 6


def test_with_a_higher_lowest_rate_full_forgets_more():
    table = by_lowest_rate(pd.read_csv(FOLDER / "curves.csv"), 0.5).query("lowest == 0.000375")
    (lost,) = {f"{value:.3f}" for value in table["reference_forgetting"]}
    assert f"With 0.000375 as its lowest rate, `full` forgot\n  {lost} nats" in PAGE


def test_every_gate_is_met():
    assert all(gate["met"] for gate in json.loads((FOLDER / "gate.json").read_text()))
