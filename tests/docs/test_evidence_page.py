"""The numbers of the page on all evidence, recomputed from the committed tables."""

import json
import re

import pandas as pd
import pytest

from benchmarks.evidence.lowest_rate import by_lowest_rate, picture
from tests.support.paths import REPOSITORY
from tgl.analysis.curve_points import mean_points

EVIDENCE = REPOSITORY / "docs" / "evidence"
PAGE = (EVIDENCE / "README.md").read_text()
COLUMNS = (0.003, 0.0015, 0.00075, 0.000375)


def section(number):
    """Return the text of a section."""
    return re.search(rf"### {re.escape(number)} .*?(?=\n##)", PAGE, re.DOTALL)[0]


@pytest.fixture(scope="module")
def points():
    return pd.read_csv(EVIDENCE / "architectures" / "gpt2-curves.csv")


@pytest.fixture(scope="module")
def half(points):
    return by_lowest_rate(points, 0.5).set_index(["method", "lowest"])


def lowest_of(half):
    return half.index.get_level_values("lowest").min()


def test_the_advantage_of_plans_depends_on_the_lowest_rate_as_the_table_shows(half):
    lowest = lowest_of(half)
    rows = [line.strip("|").split("|") for line in section("3.2").splitlines() if line.startswith("| `")]
    shown = {cells[0].strip().strip("`"): [cell.strip() for cell in cells[1:]] for cells in rows}
    assert set(shown) == set(half.index.get_level_values("method"))
    for plan, cells in shown.items():
        whole = half.loc[(plan, lowest)]
        assert cells == [
            *(f"{half.loc[(plan, rate), 'difference']:.3f}" for rate in COLUMNS),
            f"{whole['difference']:.3f} [{whole['low']:.3f}, {whole['high']:.3f}]",
            f"{whole['own_rates_difference']:.3f} [{whole['own_rates_low']:.3f}, {whole['own_rates_high']:.3f}]",
        ]
    assert set(half["seeds"]) == {8}


def test_the_text_on_full_at_its_best_rate_follows_from_the_curves(half, points):
    text = section("3.2")
    best = half.xs(lowest_of(half), level="lowest")
    assert set(best["reference_rate"]) == {0.0001875}
    assert "its best one is 0.0001875" in text
    (lost,) = {f"{value:.3f}" for value in best["reference_forgetting"]}
    assert f"forgets nothing ({lost} nats)" in " ".join(text.split())
    at_70 = by_lowest_rate(points, 0.7)
    at_70 = at_70[at_70["lowest"] == at_70["lowest"].min()]
    (own,) = {f"{value:.3f}" for value in at_70["reference_forgetting"].dropna()}
    others = at_70["forgetting"].dropna()
    shown = (
        f"has the lowest estimate ({own} nats at 0.00075; the others {others.min():.3f} to {others.max():.3f}"
    )
    assert shown in text.replace("\n", " ")
    assert float(own) < others.min()
    assert set(at_70["reference_rate"].dropna()) == {0.00075}


def test_the_early_uptake_is_that_of_the_point_before_a_period(points, half):
    means = mean_points(points)
    first = means[(means["method"] == "full") & (means["rate"] == 0.0001875) & (means["point"] == 1)]
    assert f"has gained {first['uptake'].item():.2f} nats per token before it reads" in PAGE
    table = pd.read_csv(EVIDENCE / "architectures" / "gpt2-equal_uptake.csv")
    level = table[(table["reference"] == "full") & (table["share"] == 0.5)]["uptake"]
    assert f"and the level is {level.iloc[0]:.2f}" in PAGE


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_no_plan_forgets_less_than_full_and_no_rule_differs_from_the_traced_plans(name):
    table = pd.read_csv(EVIDENCE / "architectures" / f"{name}-equal_uptake.csv")
    table = table[table["share"] == 0.5]
    assert "better" not in set(table[table["reference"] == "full"]["verdict"])
    traced = table[table["reference"].str.startswith("tgl_fp")]
    assert set(traced["verdict"]) <= {
        "no significant difference",
        "no verdict: not reached in every seed",
    }
    assert len(traced) == 5


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_every_gate_of_both_architectures_is_met(name):
    gates = json.loads((EVIDENCE / "architectures" / f"{name}-gate.json").read_text())
    assert gates
    assert all(gate["met"] for gate in gates)


def test_the_figure_has_a_line_for_each_method_and_the_rates_of_the_text(points):
    drawn = picture(points, 0.5, other_rates=[0.0015, 0.003])
    committed = (EVIDENCE / "architectures" / "gpt2-uptake.svg").read_text()
    names = re.compile(r"<!-- (\S+ at [0-9.]+) -->")
    assert sorted(names.findall(drawn)) == sorted(names.findall(committed))
    assert len(names.findall(committed)) == 8


@pytest.mark.parametrize(
    "path", ["architectures/gpt2-curves.csv", "domains/encyclopedia-curves.csv", "domains/records-curves.csv"]
)
def test_under_both_ways_to_choose_rates_no_plan_forgets_significantly_less_and_the_papers_forgets_more(path):
    table = by_lowest_rate(pd.read_csv(EVIDENCE / path), 0.5)
    best = table[table["lowest"] == table["lowest"].min()].set_index("method")
    for start in ("", "own_rates_"):
        assert (best[f"{start}high"] > 0).all()
        assert best.loc["tgl_fp", f"{start}low"] > 0
