"""The tables of comparisons at equal uptake on several pages, recomputed from the committed tables."""

import json

import pandas as pd
import pytest

from tests.support.paths import REPOSITORY
from tgl.analysis.curve_points import curves_from
from tgl.analysis.equal_uptake import at_equal_uptake
from tgl.report.replicates import shown

EVIDENCE = REPOSITORY / "docs" / "evidence"
# The page, the start of the names of its tables, and the heading of the section.
SECTIONS = [
    ("domains/README.md", "domains/encyclopedia", "## Encyclopedia"),
    ("domains/README.md", "domains/records", "## Records"),
    ("domains/README.md", "domains/factbook", "## The World Factbook"),
    ("questions/granularity.md", "questions/granularity/yearly", "## Yearly"),
    ("questions/granularity.md", "questions/granularity/quarterly", "## Quarterly"),
]


def compared(tables):
    table = pd.read_csv(EVIDENCE / f"{tables}-equal_uptake.csv")
    return table[table["share"] == 0.5]


def section_of(page, heading):
    return (EVIDENCE / page).read_text().split(f"{heading}\n", 1)[1].split("\n## ", 1)[0]


@pytest.mark.parametrize(("page", "tables", "heading"), SECTIONS)
def test_the_page_shows_every_comparison_at_half_of_the_uptake(page, tables, heading):
    lines = section_of(page, heading).splitlines()
    rows = [line.strip("|").split("|") for line in lines if line.startswith("| `")]
    found = [tuple(cell.strip() for cell in row) for row in rows if len(row) == 5]
    expected = []
    for row in compared(tables).itertuples():
        apart = shown(row.difference, row.low, row.high)
        own = shown(row.own_rates_difference, row.own_rates_low, row.own_rates_high)
        assert row.lower_rates_fall_short  # as the pages state
        expected.append((f"`{row.method}`", f"`{row.reference}`", apart, row.verdict, own))
    assert found == expected
    assert len(found) >= 5


@pytest.mark.parametrize(("page", "tables", "heading"), SECTIONS)
def test_the_curves_give_the_differences(page, tables, heading):
    table = compared(tables)
    curves = curves_from(pd.read_csv(EVIDENCE / f"{tables}-curves.csv"))
    pairs = list(zip(table["method"], table["reference"], strict=True))
    again = at_equal_uptake(curves, pairs, primary=0.5).query("share == 0.5")
    assert again["difference"].tolist() == pytest.approx(table["difference"].tolist(), abs=1e-8, nan_ok=True)


@pytest.mark.parametrize(("page", "tables", "heading"), SECTIONS)
def test_the_page_states_which_gates_were_missed(page, tables, heading):
    gates = json.loads((EVIDENCE / f"{tables}-gate.json").read_text())
    assert len(gates) == 5
    missed = [gate for gate in gates if not gate["met"]]
    assert ("Every gate is met." in section_of(page, heading)) == (not missed)


@pytest.mark.parametrize("name", ["yearly", "quarterly"])
def test_full_forgets_at_its_best_rate_what_the_page_on_granularity_states(name):
    rows = compared(f"questions/granularity/{name}").query("reference == 'full'")
    (rate,), (lost,) = rows["reference_rate"].unique(), rows["reference_forgetting"].unique()
    text = section_of("questions/granularity.md", f"## {name.capitalize()}")
    assert f"`full` forgets {lost:.3f} nats at its best rate, {rate:g}." in text


def test_the_answer_on_granularity_has_the_verdicts_of_the_tables():
    verdicts = {
        name: compared(f"questions/granularity/{name}")
        .query("reference == 'full'")
        .set_index("method")["verdict"]
        .to_dict()
        for name in ("yearly", "quarterly")
    }
    assert set(verdicts["yearly"].values()) == {"no significant difference"}
    assert verdicts["quarterly"] == {"tgl_fp": "worse", "random": "worse", "full+replay": "better"}
    rows = compared("questions/granularity/quarterly").query("reference == 'full'").set_index("method")
    page = " ".join((EVIDENCE / "questions/granularity.md").read_text().split())
    plan, replay = (rows.loc[method] for method in ("tgl_fp", "full+replay"))
    assert f"forgets {shown(plan.difference, plan.low, plan.high)} nats more" in page
    assert f"replay {shown(-replay.difference, -replay.high, -replay.low)} nats less" in page
