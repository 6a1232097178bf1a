"""What each probe was worth before and after, and which probes the page shows."""

import numpy as np
import pandas as pd
import pytest

from tgl.core.errors import TglError
from tgl.report import drill_down
from tgl.report.drill_down import continuations, probe_rows, withheld_of

PERIODS = ("2020", "2021")


def probes(count=2, split="test"):
    return pd.DataFrame(
        [
            {"id": f"{kind}-{period}-{n}-{split}", "set": "world", "kind": kind, "period": period, "split": split,
             "text": "a b", "span_start": 2, "span_end": 3, "old_answer": "c", "relation": "r"}
            for kind in ("updated", "unchanged") for period in PERIODS for n in range(count)
        ]
    )  # fmt: skip


def scores(asked, value, *, checkpoints=("2019", *PERIODS), seeds=(0, 1)):
    """Return scores in which seed 1 gives half of the probability, and each later checkpoint a tenth of it."""
    return pd.DataFrame(
        [
            {"checkpoint": checkpoint, "probe": row.id, "period": row.period, "seed": seed,
             "log_likelihood": np.log(value / (1 + seed) * 0.1**number),
             "old_log_likelihood": np.log(0.5) if row.kind == "updated" else np.nan}
            for row in asked.itertuples() for seed in seeds for number, checkpoint in enumerate(checkpoints)
        ]
    )  # fmt: skip


def rows_of(asked, **changes):
    tables = {"base": scores(asked, 0.4), "full": scores(asked, 0.8), "tgl_fp": scores(asked, 0.6)} | changes
    return probe_rows(asked, tables.__getitem__, ["full", "tgl_fp"], base="base", start="2019")


def test_a_row_has_the_base_model_and_each_method_at_the_end_of_the_probes_period():
    rows, left_out = rows_of(probes())
    assert (len(rows), left_out) == (8, 0)
    for row in rows:
        number = 1 + PERIODS.index(row.probe["period"])
        assert row.before == pytest.approx(0.4 * 0.75)
        assert row.after == pytest.approx(
            {"full": 0.8 * 0.75 * 0.1**number, "tgl_fp": 0.6 * 0.75 * 0.1**number}
        )
        if row.probe["kind"] == "updated":
            assert row.old[0] == pytest.approx(0.5)
            assert row.old[1] == pytest.approx({"full": 0.5, "tgl_fp": 0.5})
        else:
            assert row.old is None


def test_only_test_probes_are_shown():
    both = pd.concat([probes(), probes(split="validation")], ignore_index=True)
    rows, left_out = rows_of(both)
    assert {row.probe["split"] for row in rows} == {"test"}
    assert left_out == 0


def test_a_long_list_is_cut_evenly_and_the_rest_is_counted(monkeypatch):
    monkeypatch.setattr(drill_down, "MOST_PROBES", 8)
    rows, left_out = rows_of(probes(count=10))
    assert (len(rows), left_out) == (8, 32)
    chosen = [
        row.probe["id"] for row in rows if row.probe["kind"] == "updated" and row.probe["period"] == "2020"
    ]
    assert chosen == ["updated-2020-0-test", "updated-2020-9-test"]


def test_a_probe_without_a_score_in_some_run_is_counted_as_left_out():
    asked = probes()
    full = scores(asked, 0.8)
    rows, left_out = rows_of(asked, full=full[full["probe"] != "updated-2020-0-test"])
    assert (len(rows), left_out) == (7, 1)


def test_no_test_probe_gives_no_row():
    assert rows_of(probes(split="validation")) == ([], 0)


def written(name, asked, checkpoints=("2019", *PERIODS)):
    return pd.DataFrame(
        {"checkpoint": checkpoint, "probe": probe, "text": f"{name} {checkpoint}"}
        for checkpoint in checkpoints
        for probe in asked
    )


def test_continuations_are_those_of_the_base_model_and_after_the_probes_own_period():
    asked = ["updated-2020-0-test", "unchanged-2021-1-test"]
    tables = {name: written(name, asked) for name in ("base", "full", "tgl_fp")}
    found = continuations(probes(), tables.__getitem__, ["full", "tgl_fp"], base="base", start="2019")
    assert [(row.probe["id"], row.before, row.after) for row in found] == [
        ("updated-2020-0-test", "base 2019", {"full": "full 2020", "tgl_fp": "tgl_fp 2020"}),
        ("unchanged-2021-1-test", "base 2019", {"full": "full 2021", "tgl_fp": "tgl_fp 2021"}),
    ]


def test_a_method_that_did_not_continue_a_probe_is_refused():
    asked = ["updated-2020-0-test", "unchanged-2021-1-test"]
    tables = {"base": written("base", asked), "full": written("full", asked[:1])}
    with pytest.raises(TglError, match=r"of full lack 1 of the 2 .* 'unchanged-2021-1-test' first"):
        continuations(probes(), tables.__getitem__, ["full"], base="base", start="2019")


def test_pieces_left_out_of_training_text_are_found_by_probe():
    pieces = pd.DataFrame({"probe": ["a", "b", "a"], "text": ["One.", "Two.", "(One.)"], "times": [2, 1, 1]})
    assert withheld_of(pieces, ["a", "c"]) == {"a": [("One.", 2), ("(One.)", 1)]}
