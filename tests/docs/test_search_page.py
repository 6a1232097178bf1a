"""The numbers of the page on the search, recomputed from the committed tables."""

import json
import re

import pandas as pd
import pytest
import yaml

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
    found = "last.unchanged+replay.1 compared with full: no significant difference"
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


def test_the_differences_with_own_rates_are_those_of_the_text(over_full):
    rows = over_full.set_index("method")
    assert rows["lower_rates_fall_short"].all()
    assert rows["own_rates_difference"].idxmin() == "full+fggm.0.3"
    assert rows.loc["full+replay.0.33", "own_rates_difference"] > 0
    row = rows.loc["full+lowest_neurons.0.05"]
    shown = f"{row.own_rates_difference:.3f} [{row.own_rates_low:.3f}, {row.own_rates_high:.3f}]"
    assert f"difference to `full` is {shown}" in " ".join(PAGE.split())


def test_the_confirmation_uses_worlds_that_nothing_else_has_used():
    used = {0}  # the default
    for path in PRESETS.rglob("*.yaml"):
        used.add(
            ((yaml.safe_load(path.read_text()).get("snapshots") or {}).get("synthetic") or {}).get("seed", 0)
        )
    for page in (
        (FOLDER.parent / "methods" / "README.md").read_text().split("`snapshots.synthetic.seed` ")[1:]
    ):
        used |= {int(number) for number in re.findall(r"\d+", page[:7])}
    text = (PRESETS / "search-confirmation.yaml").read_text()
    worlds = {int(number) for number in re.findall(r"search-world\{([0-9,]+)\}", text)[0].split(",")}
    assert worlds == {11, 12, 13, 14}
    assert used == {0, 1, 2, 11}  # 11 is that of the preset itself
