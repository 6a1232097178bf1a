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


NAMES = {
    "updated facts": "updated facts",
    "new entities": "new entities",
    "unchanged facts": "unchanged facts",
    "shuffled answers (updated facts)": "shuffled answers (updated)",
    "random spans of equal length (updated facts)": "random spans of the same length (updated)",
    "whole words as frequent (updated facts)": "whole words as frequent (updated)",
    "capitalised words (updated facts)": "capitalised words (updated)",
}


def over_windows():
    table = pd.read_csv(FOLDER / "ratios.csv").query("denominator == 'window'")
    return {(row.weights, row.group): row.mean for row in table.itertuples(index=False)}


def test_the_ratios_are_those_of_the_table_and_of_the_text():
    page = (FOLDER / "README.md").read_text()
    rows = {
        cells[1].strip(): cells
        for line in page.splitlines()
        if (cells := line.split("|"))[0] == "" and len(cells) == 7
    }
    found = over_windows()
    for group, name in NAMES.items():
        trained, random = (found[(weights, group)] for weights in ("trained", "random"))
        assert rows[name][3].strip() == f"{trained:.1f}"
        assert rows[name][5].strip() == f"{random:.2f}"
    text = " ".join(page.split())
    assert f"Updated facts have {found['trained', 'updated facts']:.0f} times" in text
    assert (
        f"random spans of the same length {found['trained', 'random spans of equal length (updated facts)']:.1f} times"
        in text
    )


def test_the_drift_is_that_of_the_text():
    row = pd.read_csv(FOLDER / "drift.csv").set_index("period").loc[20220101]
    text = " ".join((FOLDER / "README.md").read_text().split())
    assert f"rank correlation with the first profile is {row['correlation']:.2f}" in text
    assert f"Jaccard index of {row['jaccard']:.2f}" in text


def test_the_first_column_of_the_page_on_all_evidence_has_these_ratios():
    found = over_windows()
    shown = {}
    for line in (
        (FOLDER.parent / "README.md").read_text().split("### 3.1")[1].split("### 3.2")[0].splitlines()
    ):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 4:
            shown[cells[0]] = cells[1]
    assert shown["updated facts"] == f"{found['trained', 'updated facts']:.0f}"
    assert shown["unchanged facts"] == f"{found['trained', 'unchanged facts']:.0f}"
    assert shown["updated facts, random weights"] == f"{found['random', 'updated facts']:.1f}"
    assert (
        shown["the same with shuffled, wrong answers"]
        == f"{found['trained', 'shuffled answers (updated facts)']:.0f}"
    )
    length = found["trained", "random spans of equal length (updated facts)"]
    assert shown["random spans of the same length"] == f"{length:.1f}"
