"""The numbers of the page on the default experiment, recomputed from the committed tables."""

import pandas as pd

from tests.support.paths import REPOSITORY

FOLDER = REPOSITORY / "docs" / "evidence" / "default"


def test_the_significant_comparisons_are_counted_and_shown():
    page = " ".join((FOLDER / "README.md").read_text().split())
    table = pd.read_csv(FOLDER / "summary.csv").dropna(subset="verdict")
    found = table[table["verdict"].isin(["better", "worse"])]
    of = found["method"].value_counts()
    assert f"{len(found)} of {len(table)} comparisons" in page
    assert f"{of['inverse']} of them of `inverse`" in page
    assert of.to_dict() == {"inverse": 10, "tgl_fp": 2, "random": 2}
    for row in found.itertuples():
        if (row.kind, row.measure) in {("updated", "macro_perplexity"), ("new_entity", "macro_perplexity")}:
            assert f"{row.difference:.2f} [{row.difference_low:.2f}, {row.difference_high:.2f}]" in page
        if row.measure == "new_minus_old" and row.method == "tgl_fp":
            assert f"{-row.difference:.2f} [{-row.difference_high:.2f}, {-row.difference_low:.2f}]" in page
