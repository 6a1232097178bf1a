"""The numbers of the pages on questions that the paper leaves open, recomputed from the committed tables."""

import pandas as pd
import pytest

from tests.support.paths import REPOSITORY

FOLDER = REPOSITORY / "docs" / "evidence" / "questions"
RULES = ("tgl_fp", "random", "inverse")
SUBLAYERS = [f"block {block} {part}" for block in range(6) for part in ("attention", "MLP")]


def rows_of(page, start):
    """Return the cells of the rows of a page that begin with a text."""
    lines = (FOLDER / page).read_text().splitlines()
    rows = [line.strip("|").split("|") for line in lines if line.startswith(f"| {start}")]
    return [[cell.strip() for cell in row] for row in rows]


def shown(row, columns=("ratio", "low", "high")):
    value, low, high = (f"{row[name]:.2f}" for name in columns)
    return f"{value} [{low}, {high}]"


def with_seeds(row):
    return shown(row) + ("" if row["seeds"] == 8 else f" ({row['seeds']} seeds)")


def test_the_shares_are_those_of_the_table_at_70_percent():
    table = pd.read_csv(FOLDER / "share" / "equal_uptake.csv").query("reference == 'full' and share == 0.7")
    table = table.set_index("method")
    for share in ("10", "25", "50", "75"):
        ((label, *cells),) = rows_of("share.md", f"{share} %")
        assert label == f"{share} %"
        assert cells == [with_seeds(table.loc[f"{rule}.top{share}"]) for rule in RULES]


def test_no_share_differs_significantly_from_full():
    table = pd.read_csv(FOLDER / "share" / "equal_uptake.csv").query("reference == 'full'")
    assert table["verdict"].value_counts().to_dict() == {
        "no difference shown": 21,
        "reached in some seeds": 15,
    }


def test_backward_transfer_over_five_periods_is_that_of_the_table():
    table = pd.read_csv(FOLDER / "periods" / "transfers.csv").set_index("method")
    columns = ("backward_transfer", "low", "high")
    found = {cells[0].strip("`"): cells[1:] for cells in rows_of("periods.md", "`") if len(cells) == 3}
    assert found.keys() == set(table.index)
    for method, cells in found.items():
        assert cells == [shown(table.loc[method], columns), f"{table.loc[method, 'forgetting']:.2f}"]
    lead = (FOLDER / "periods.md").read_text().split("**What this cannot show")[0]
    for method in ("full", "tgl_fp", "random", "full+replay", "full+oracle"):
        assert shown(table.loc[method], columns) in lead


@pytest.mark.parametrize("number", range(12))
def test_each_single_sublayer_has_the_forgetting_of_the_table_at_half_of_the_uptake(number):
    table = pd.read_csv(FOLDER / "storage" / "equal_uptake.csv").query("reference == 'full' and share == 0.5")
    row = table.set_index("method").loc[f"only.{number}"]
    ((*_, cell),) = rows_of("storage.md", SUBLAYERS[number])
    assert cell == with_seeds(row)
