"""The tables of the page on domains, recomputed from the committed tables."""

import json

import pandas as pd
import pytest

from tests.support.paths import REPOSITORY
from tgl.analysis.curve_points import curves_from
from tgl.analysis.equal_uptake import at_equal_uptake

FOLDER = REPOSITORY / "docs" / "evidence" / "domains"
SECTIONS = {"encyclopedia": "## Encyclopedia", "records": "## Records"}


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
        interval = f"{row.difference:.3f} [{row.low:.3f}, {row.high:.3f}]"
        own = f"{row.own_rates_difference:.3f}"
        if not pd.isna(row.own_rates_low):
            own += f" [{row.own_rates_low:.3f}, {row.own_rates_high:.3f}]"
        assert row.lower_rates_fall_short
        expected.append((f"`{row.method}`", f"`{row.reference}`", interval, row.verdict, own))
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
