"""The tables of the page on architectures, recomputed from the committed tables."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from benchmarks.evidence.lowest_rate import by_lowest_rate
from tests.support.paths import REPOSITORY
from tgl.analysis.curve_points import curves_from
from tgl.analysis.equal_uptake import at_equal_uptake
from tgl.analysis.uptake import forgetting_at, level_of, most_learned
from tgl.plans.subsets import jaccard
from tgl.report.replicates import shown

EVIDENCE = REPOSITORY / "docs" / "evidence" / "architectures"
PAGE = (EVIDENCE / "README.md").read_text()
SECTIONS = {"gpt2": "## GPT-2", "llama": "## Llama", "gpt_neo": "## GPT-Neo"}


def tables(name):
    """Return the tables of a section that begin with a plan, each a list of rows."""
    section = PAGE.split(SECTIONS[name], 1)[1].split("\n## ", 1)[0]
    found = [
        [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines()[2:]]
        for part in section.split("\n\n")
        if part.startswith("| plan |")
    ]
    return found


def cell(difference, low, high):
    return "–" if math.isnan(difference) else shown(difference, low, high)


@pytest.mark.parametrize("name", SECTIONS)
def test_the_page_shows_the_comparisons_with_full_at_half_of_its_uptake(name):
    table = pd.read_csv(EVIDENCE / f"{name}-equal_uptake.csv")
    rows = table[(table["reference"] == "full") & (table["share"] == 0.5)]
    assert tables(name)[0] == [
        [
            f"`{row.method}`",
            cell(row.difference, row.low, row.high),
            row.verdict,
            cell(row.own_rates_difference, row.own_rates_low, row.own_rates_high),
        ]
        for row in rows.itertuples()
    ]
    assert len(rows) == 5
    assert rows["lower_rates_fall_short"].all()
    assert set(rows["seeds"]) == {"llama": {7, 8}}.get(name, {8})


@pytest.mark.parametrize("name", SECTIONS)
def test_the_curves_give_the_comparisons(name):
    points = pd.read_csv(EVIDENCE / f"{name}-curves.csv")
    table = pd.read_csv(EVIDENCE / f"{name}-equal_uptake.csv")
    pairs = list(dict.fromkeys(zip(table["method"], table["reference"], strict=True)))
    again = at_equal_uptake(curves_from(points), pairs, primary=0.5)
    for column in ("rate", "reference_rate", "difference", "own_rates_difference"):
        assert again[column].tolist() == pytest.approx(table[column].tolist(), abs=1e-8, nan_ok=True), column


def test_in_llama_too_the_advantage_depends_on_the_lowest_rate_of_full():
    half = by_lowest_rate(pd.read_csv(EVIDENCE / "llama-curves.csv"), 0.5).set_index(["method", "lowest"])
    expected = []
    for plan in ("tgl_fp.unchanged", "last.unchanged", "random", "inverse"):
        whole = half.loc[(plan, 0.00009375)]
        expected.append(
            [
                f"`{plan}`",
                *(
                    f"{half.loc[(plan, rate), 'difference']:.3f}"
                    for rate in (0.003, 0.0015, 0.00075, 0.000375)
                ),
                shown(whole["difference"], whole["low"], whole["high"]),
            ]
        )
    assert tables("llama")[1] == expected
    last = [half.loc[("last.unchanged", rate)] for rate in (0.00075, 0.00009375)]
    first, whole = (shown(row["difference"], row["low"], row["high"]) for row in last)
    paper = " ".join((EVIDENCE.parent / "README.md").read_text().split())
    assert f"is {first} nats with 0.00075 as the lowest rate of `full`, and {whole} with all rates" in paper


def test_the_first_run_of_llama_had_the_verdicts_of_the_page():
    table = pd.read_csv(EVIDENCE / "llama-first-equal_uptake.csv").query(
        "reference == 'full' and share == 0.5"
    )
    rows = table.set_index("method")
    assert rows["verdict"].value_counts().to_dict() == {"no significant difference": 4, "worse": 1}
    worse = rows.loc["inverse"]
    text = " ".join(PAGE.split())
    assert f"worse than `full` ({worse['difference']:.3f} [{worse['low']:.3f}, {worse['high']:.3f}])" in text
    now = pd.read_csv(EVIDENCE / "llama-equal_uptake.csv").query("reference == 'full' and share == 0.5")
    now = now.set_index("method")
    assert (
        f"the best rate of `inverse` was {worse['rate']:g}, here it is {now.loc['inverse', 'rate']:g}" in text
    )
    (lost,) = now["reference_forgetting"].dropna().unique()
    assert f"`full` forgets {lost:.3f} nats at its best rate, 0.0001875." in text


def test_every_gate_is_met_and_that_of_gpt_2_has_the_value_of_the_page():
    missed = {
        name: [
            gate["name"]
            for gate in json.loads((EVIDENCE / f"{name}-gate.json").read_text())
            if not gate["met"]
        ]
        for name in SECTIONS
    }
    assert missed == {name: [] for name in SECTIONS}
    gates = {gate["name"]: gate["value"] for gate in json.loads((EVIDENCE / "gpt2-gate.json").read_text())}
    value = gates["plain training lowers the perplexity of updated probes, times"]
    assert f"where the value is {value:.1f}." in (EVIDENCE / "README.md").read_text()


def test_in_gpt_neo_one_plan_is_better_where_nothing_is_forgotten():
    table = pd.read_csv(EVIDENCE / "gpt_neo-equal_uptake.csv").query("share == 0.5")
    of_full = table[table["reference"] == "full"].set_index("method")
    assert of_full.index[of_full["verdict"] == "better"].tolist() == ["tgl_fp.unchanged"]
    better = of_full.loc["tgl_fp.unchanged"]
    page, paper, readme = (
        " ".join((EVIDENCE / path).read_text().split())
        for path in ("README.md", "../README.md", "../../../README.md")
    )
    assert -better["reference_forgetting"] > 0
    assert (
        f"{-better['reference_forgetting']:.3f} nats with `full` and {-better['forgetting']:.3f} with the plan"
        in page
    )
    assert f"better by {shown(-better.difference, -better.high, -better.low)} nats" in paper
    assert "In a small GPT-Neo one plan does, without a significant difference from the last layers" in readme
    (known,) = (
        gate["value"]
        for gate in json.loads((EVIDENCE / "gpt_neo-gate.json").read_text())
        if gate["name"] == "unchanged facts that the base model ranks first"
    )
    assert f"base models rank {100 * known:.0f} % of the unchanged facts first" in page
    assert len(table) == 10
    assert "the ten comparisons of this shape" in page
    of_plan = table[table["reference"] == "tgl_fp.unchanged"].set_index("method")
    assert set(of_plan["verdict"]) == {"no significant difference"}
    last, first = (of_plan.loc[name] for name in ("last.unchanged", "tgl_fp"))
    for text in (page, paper):
        assert f"{shown(last.difference, last.low, last.high)} nats" in text
    assert (
        f"is {shown(first.difference, first.low, first.high)} nats, not significant after correction" in page
    )
    assert of_full.loc["tgl_fp", "verdict"].startswith("no verdict")


def test_the_traced_plan_of_gpt_neo_shares_most_sublayers_with_the_last_ones():
    table = pd.read_csv(EVIDENCE / "gpt_neo-plans.csv")
    sets = {
        key: set(rows.loc[rows["trained"] == 1, "sublayer"]) for key, rows in table.groupby(["plan", "seed"])
    }
    seeds = sorted(table["seed"].unique())
    assert seeds == list(range(8))
    traced = [sets["tgl_fp.unchanged", seed] for seed in seeds]
    shared = np.mean(
        [jaccard(own, sets["last.unchanged", seed]) for own, seed in zip(traced, seeds, strict=True)]
    )
    names = [name for own in traced for name in own]
    late = sum(int(name[5:7]) >= 3 for name in names)
    text = " ".join(PAGE.split())
    assert f"their mean Jaccard index is {shared:.2f}, and {late} of the {len(names)} sublayers" in text


def test_the_number_of_steps_sets_the_rate_of_full_in_gpt_neo():
    curves = curves_from(pd.read_csv(EVIDENCE / "gpt_neo-curves.csv"))
    full = curves.validation["full"]
    level = float(level_of(full[most_learned(full)].means()[0], 0.5))
    uptake, forgetting = full[0.0001875].means()
    reached = ~np.isnan(forgetting_at(uptake.T, forgetting.T, level))
    assert int(reached.sum()) == 6
    assert "At 0.0001875 six of eight seeds reach the level on validation probes" in " ".join(PAGE.split())
    half = by_lowest_rate(pd.read_csv(EVIDENCE / "gpt_neo-curves.csv"), 0.5).set_index(["method", "lowest"])
    rows = [half.loc[(method, 0.00075)] for method in ("last.unchanged", "inverse")]
    last, inverse = (shown(row["difference"], row["low"], row["high"]) for row in rows)
    assert f"({last} and {inverse})" in " ".join(PAGE.split())


def test_full_learns_half_in_gpt_2_without_forgetting():
    table = pd.read_csv(EVIDENCE / "gpt2-equal_uptake.csv").query("reference == 'full' and share == 0.5")
    assert {f"{value:.3f}" for value in table["reference_forgetting"]} == {"-0.021"}
    assert set(table["reference_rate"]) == {0.0001875}
    assert (table["reference_rate"] < table["rate"]).all()


def test_with_own_rates_inverse_forgets_less_than_the_traced_plan_by_what_the_page_shows():
    table = pd.read_csv(EVIDENCE / "gpt2-equal_uptake.csv").query("reference == 'tgl_fp' and share == 0.5")
    row = table.set_index("method").loc["inverse"]
    shown = f"{row.own_rates_difference:.3f} [{row.own_rates_low:.3f}, {row.own_rates_high:.3f}]"
    for page in (EVIDENCE / "README.md", EVIDENCE.parent / "README.md"):
        assert shown in " ".join(page.read_text().split())


def test_the_traced_plan_of_llama_misses_its_level_in_one_seed_at_the_smallest_rate():
    table = pd.read_csv(EVIDENCE / "llama-equal_uptake.csv").query("reference == 'tgl_fp' and share == 0.5")
    assert set(table["seeds"]) == {7}
    assert set(table["reference_rate"]) == {0.000375}
    assert set(table["verdict"]) == {"no verdict: not reached in every seed"}
    others = pd.read_csv(EVIDENCE / "llama-equal_uptake.csv").query(
        "reference == 'tgl_fp.unchanged' and share == 0.5"
    )
    assert others.set_index("method")["verdict"].to_dict() == {
        "tgl_fp": "no significant difference",
        "last.unchanged": "no significant difference",
    }
