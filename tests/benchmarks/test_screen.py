"""The table of a screen, recomputed from raw scores."""

import math

import pandas as pd
import pytest

from benchmarks.evidence.screen import joined, screened
from tests.support.paths import REPOSITORY

EVIDENCE = REPOSITORY / "docs" / "evidence" / "pretrained"


def rows(method, rate, points):
    """Return the scores of a run; a point is (loss of updated facts, loss of unchanged facts) after a step."""
    return [
        {"experiment": "e", "method": method, "rate": rate, "seed": 0, "step": step, "split": split, "set": "s",
         "kind": kind, "measure": "loss", "value": value, "count": 10}
        for step, point in enumerate(points, method != "base")
        for split in ("validation", "test")
        for kind, value in zip(("updated", "unchanged"), point, strict=True)
    ]  # fmt: skip


def test_each_method_has_its_best_rate_at_the_level():
    table = pd.DataFrame(
        rows("base", 0.0, [(4.0, 1.0)])
        + rows("full", 0.1, [(3.0, 1.0), (2.0, 2.0)])
        + rows("full", 0.2, [(2.0, 1.5), (0.0, 3.0)])
        + rows("full", 0.3, [(2.0, 2.0), (1.0, 3.0)])
        + rows("plan", 0.1, [(3.0, 1.0), (1.0, 1.2)])
        + rows("plan", 0.2, [(3.5, 1.0), (3.0, 1.0)])
    )
    uptake, found = screened(table, 0.5)
    assert uptake == pytest.approx(2.0)
    found = found.set_index("method")
    assert found.loc["full", ["rate", "lost", "edge"]].tolist() == [0.2, pytest.approx(0.5), False]
    assert found.loc["plan", "rate"] == 0.1
    assert found.loc["plan", "lost"] == pytest.approx(0.1)
    assert found.loc["plan", "edge"]
    assert math.isnan(screened(table, 1.0)[1].set_index("method").loc["plan", "lost"])


@pytest.mark.parametrize("level", [0.7, 0.9])
def test_the_page_shows_what_the_table_gives(level):
    _, found = screened(joined([EVIDENCE / f"screen{number}-steps.csv" for number in (2, 3)]), level)
    column = {0.7: 1, 0.9: 3}[level]
    page = (EVIDENCE / "README.md").read_text()
    lines = page.split("## What the second screen shows\n")[1].split("\n## ")[0].splitlines()
    shown = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| `")
    ]
    assert len(shown) == 13
    values = found.set_index("method")["lost"]
    for row in shown:
        value = values[row[0].strip("`")]
        assert row[column] == ("not reached" if math.isnan(value) else f"{value:.3f}"), row
