"""The tables of the page on domains, recomputed from the committed tables."""

import json
import math
from itertools import combinations

import numpy as np
import pandas as pd

from tests.support.paths import REPOSITORY
from tgl.plans.subsets import jaccard

FOLDER = REPOSITORY / "docs" / "evidence" / "domains"


def compared(name):
    table = pd.read_csv(FOLDER / f"{name}-equal_uptake.csv")
    return table[table["share"] == 0.5]


def page():
    text = (FOLDER / "README.md").read_text().split("## The World Factbook", 1)[1].split("\n## ", 1)[0]
    return " ".join(text.split())


def test_the_gates_that_the_factbook_missed_have_the_values_of_the_page():
    gates = json.loads((FOLDER / "factbook-gate.json").read_text())
    missed = {gate["name"]: gate["value"] for gate in gates if not gate["met"]}
    assert len(missed) == 4
    text = page()
    known, new, updated, entities = missed.values()
    assert f"ranks {100 * known:.0f} % of the unchanged facts first" in text
    assert f"ranks {100 * new:.1f} % of the new values first" in text
    assert f"updated facts {updated:.1f} times and that of new entities {entities:.1f} times" in text
    assert compared("factbook")["forgetting"].max() < 0.05


def test_the_plans_of_the_factbook_agree_as_the_page_shows():
    table = pd.read_csv(FOLDER / "factbook-plans.csv")
    sets = {
        key: set(rows.loc[rows["trained"] == 1, "sublayer"]) for key, rows in table.groupby(["plan", "seed"])
    }
    seeds, total = sorted(table["seed"].unique()), table["sublayer"].nunique()
    both = [(sets["tgl_fp", seed], sets["tgl_fp.borrowed", seed]) for seed in seeds]
    text = page()
    assert f"sets of sublayers is {np.mean([jaccard(*pair) for pair in both]):.2f}, mean over seeds" in text
    by_chance = [expected_jaccard(len(own), len(other), total) for own, other in both]
    assert f"Random sets of the same sizes have {np.mean(by_chance):.2f}" in text
    own, borrowed = (
        np.mean([jaccard(sets[plan, one], sets[plan, two]) for one, two in combinations(seeds, 2)])
        for plan in ("tgl_fp", "tgl_fp.borrowed")
    )
    assert f"{own:.2f} for the own profile, {borrowed:.2f} for the borrowed one" in text


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
    text = page()
    assert f"updated facts have {mean['updated facts']:.0f} times" in text
    assert f"shuffled answers {mean['shuffled answers (updated facts)']:.0f} times" in text
    assert f"unchanged facts {mean['unchanged facts']:.0f} times" in text
    assert f"same length {mean['random spans of equal length (updated facts)']:.1f} times" in text
