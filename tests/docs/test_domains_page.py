"""The tables of the page on domains, recomputed from the committed tables."""

import json
import math
from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from tests.support.paths import REPOSITORY
from tgl.analysis.curve_points import curves_from
from tgl.analysis.equal_uptake import at_equal_uptake
from tgl.plans.subsets import jaccard
from tgl.report.replicates import shown as shown_difference

FOLDER = REPOSITORY / "docs" / "evidence" / "domains"
SECTIONS = {"encyclopedia": "## Encyclopedia", "records": "## Records", "factbook": "## The World Factbook"}


def compared(name):
    table = pd.read_csv(FOLDER / f"{name}-equal_uptake.csv")
    return table[table["share"] == 0.5]


def section(name):
    return (FOLDER / "README.md").read_text().split(SECTIONS[name], 1)[1].split("\n## ", 1)[0]


@pytest.mark.parametrize("name", SECTIONS)
def test_the_page_shows_every_comparison_at_half_of_the_uptake(name):
    rows = [line.strip("|").split("|") for line in section(name).splitlines() if line.startswith("| `")]
    shown = [tuple(cell.strip() for cell in row) for row in rows if len(row) == 5]
    expected = []
    for row in compared(name).itertuples():
        apart = shown_difference(row.difference, row.low, row.high)
        own = shown_difference(row.own_rates_difference, row.own_rates_low, row.own_rates_high)
        assert row.lower_rates_fall_short
        expected.append((f"`{row.method}`", f"`{row.reference}`", apart, row.verdict, own))
    assert shown == expected
    assert len(shown) >= 5


@pytest.mark.parametrize("name", SECTIONS)
def test_the_curves_give_the_differences(name):
    table = compared(name)
    curves = curves_from(pd.read_csv(FOLDER / f"{name}-curves.csv"))
    pairs = list(zip(table["method"], table["reference"], strict=True))
    again = at_equal_uptake(curves, pairs, primary=0.5).query("share == 0.5")
    assert again["difference"].tolist() == pytest.approx(table["difference"].tolist(), abs=1e-8, nan_ok=True)


@pytest.mark.parametrize("name", SECTIONS)
def test_the_page_states_which_gates_were_missed(name):
    gates = json.loads((FOLDER / f"{name}-gate.json").read_text())
    assert len(gates) == 5
    missed = [gate for gate in gates if not gate["met"]]
    assert ("Every gate is met." in section(name)) == (not missed)


def test_the_gates_that_the_factbook_missed_have_the_values_of_the_page():
    gates = json.loads((FOLDER / "factbook-gate.json").read_text())
    missed = {gate["name"]: gate["value"] for gate in gates if not gate["met"]}
    assert len(missed) == 4
    page = " ".join(section("factbook").split())
    known, new, updated, entities = missed.values()
    assert f"ranks {100 * known:.0f} % of the unchanged facts first" in page
    assert f"ranks {100 * new:.1f} % of the new values first" in page
    assert f"updated facts {updated:.1f} times and that of new entities {entities:.1f} times" in page
    assert compared("factbook")["forgetting"].max() < 0.05


def test_the_plans_of_the_factbook_agree_as_the_page_shows():
    table = pd.read_csv(FOLDER / "factbook-plans.csv")
    sets = {
        key: set(rows.loc[rows["trained"] == 1, "sublayer"]) for key, rows in table.groupby(["plan", "seed"])
    }
    seeds, total = sorted(table["seed"].unique()), table["sublayer"].nunique()
    both = [(sets["tgl_fp", seed], sets["tgl_fp.borrowed", seed]) for seed in seeds]
    page = " ".join(section("factbook").split())
    assert f"sets of sublayers is {np.mean([jaccard(*pair) for pair in both]):.2f}, mean over seeds" in page
    by_chance = [expected_jaccard(len(own), len(other), total) for own, other in both]
    assert f"Random sets of the same sizes have {np.mean(by_chance):.2f}" in page
    own, borrowed = (
        np.mean([jaccard(sets[plan, one], sets[plan, two]) for one, two in combinations(seeds, 2)])
        for plan in ("tgl_fp", "tgl_fp.borrowed")
    )
    assert f"{own:.2f} for the own profile, {borrowed:.2f} for the borrowed one" in page


def expected_jaccard(one, two, total):
    """Return the mean Jaccard index of random sets of two sizes among `total` members."""
    common = range(max(0, one + two - total), min(one, two) + 1)
    return sum(
        math.comb(one, k) * math.comb(total - one, two - k) / math.comb(total, two) * k / (one + two - k)
        for k in common
    )


def test_the_ratios_of_the_factbook_are_those_of_the_page():
    table = pd.read_csv(FOLDER / "factbook-ratios.csv").query(
        "denominator == 'window' and weights == 'trained'"
    )
    mean = table.set_index("group")["mean"]
    page = " ".join(section("factbook").split())
    assert f"updated facts have {mean['updated facts']:.0f} times" in page
    assert f"shuffled answers {mean['shuffled answers (updated facts)']:.0f} times" in page
    assert f"unchanged facts {mean['unchanged facts']:.0f} times" in page
    assert f"same length {mean['random spans of equal length (updated facts)']:.1f} times" in page
