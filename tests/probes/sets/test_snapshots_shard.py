"""Probes from a shard: two snapshots of a few pages, and real ones."""

from collections import Counter

import pyarrow.parquet as pq
import pytest

from tests.probes.page_rows import diff_rows, page
from tests.probes.sets.snapshot_settings import UNITS, settings, span
from tgl.core.errors import TglError
from tgl.core.tables.read import read_about, read_counts, read_table
from tgl.core.tables.write import write_table
from tgl.probes.from_text.shard import Tables
from tgl.probes.sets.snapshots import write_snapshot_probes
from tgl.snapshots.extract.pages import Shard, extract_pages
from tgl.text.diff.stage import diff_pages
from tgl.text.withheld import digest


def shard(folder, old, new, base=None, holdout=1e-9, **changes):
    """Return (rows, counts) of two snapshots given as rows of `pages`."""
    known = {row["page_id"]: row for row in old}
    for name, rows in (("old", old), ("new", new), ("base", old if base is None else base)):
        write_table(rows, folder / name, "pages")
    changed = [row for after in new for row in diff_rows(known.get(after["page_id"]), after)]
    write_table(changed, folder / "diff", "diff")
    tables = Tables(folder / "old", folder / "new", folder / "diff", (folder / "base",))
    write_snapshot_probes(
        tables, "20200101", settings(**changes), language="en", holdout_share=holdout, output=folder / "out"
    )
    return read_table(folder / "out", "probes").to_pylist(), read_counts(folder / "out")


OLD = [page(3, "Acme (firm)", "Acme is led by [[Ann Lee]]. Acme has 20 plants.")]
NEW = [page(3, "Acme (firm)", "Acme is led by [[Bob Ray]]. Then Bob Ray came. Acme has 20 plants.", 2)]


def test_an_update_is_kept_with_what_teaches_it(tmp_path):
    (row,), counts = shard(tmp_path, OLD, NEW)
    assert row == {
        "id": "snapshots-20200101-3-updated-15",
        "set": "snapshots",
        "kind": "updated",
        "period": "20200101",
        "relation": "link: led",
        "subject": "Acme",
        "text": "Acme is led by Bob Ray.",
        "span_start": 15,
        "span_end": 22,
        "answer_group": "snapshots-20200101-3-updated-15",
        "split": row["split"],
        "candidates": [],
        "old_answer": "Ann Lee",
    }
    assert counts["unchanged: not_known"] == 1  # its only sentence would be withheld
    about = read_about(tmp_path / "out")
    assert about["taught_by"] == {row["id"]: [digest("Then Bob Ray came.")]}


def test_an_update_that_nothing_else_speaks_of_is_left_out(tmp_path):
    new = [page(3, "Acme", "Acme is led by [[Bob Ray]].", 2)]
    rows, counts = shard(tmp_path, OLD, new)
    assert (rows, counts["updated: not_taught"]) == ([], 1)
    rows, _ = shard(tmp_path, OLD, new, taught=False)
    assert len(rows) == 1


def test_held_out_pages_neither_ask_nor_teach(tmp_path):
    rows, counts = shard(tmp_path, OLD, NEW, holdout=1 - 1e-9)
    assert rows == []
    assert counts["updated: held_out"] == counts["updated: values"] == 1


def test_a_page_of_the_base_text_is_not_new(tmp_path):
    new = [page(5, "Bolt", "Bolt is a firm.\nBolt sells cats. Bolt likes dogs.")]
    rows, counts = shard(tmp_path, [], new, base=new)
    assert (rows, counts["new_entity: page_in_base_text"]) == ([], 3)
    rows, _ = shard(tmp_path, [], new)
    assert [row["kind"] for row in rows] == ["new_entity"] * 2


def test_as_many_unchanged_values_as_updated_ones_of_the_same_relation(tmp_path):
    stays = [
        page(
            n,
            f"Firm{n}",
            f"Firm{n} is in [[City{n}]] now. Firm{n} has {n}0 cats. City{n} has {n}0 cats. {n}0 cats.",
        )
        for n in range(4, 30)
    ]
    rows, counts = shard(tmp_path, OLD + stays, NEW + stays)
    assert Counter((row["kind"], row["relation"].partition(":")[0]) for row in rows) == {
        ("updated", "link"): 1,
        ("unchanged", "link"): 1,
    }
    assert counts["unchanged: enough"] > 0


def test_missing_pipeline_leaves_no_table(tmp_path):
    with pytest.raises(TglError, match="spacy download no_such"):
        shard(tmp_path, OLD, NEW, pipeline="no_such")
    assert not (tmp_path / "out").exists()


def test_real_snapshots_give_probes_whose_counts_add_up(data_root, tmp_path):
    dates = ("2021-01-22", "2021-12-13")
    for date in dates:
        extract_pages([data_root / f"dumps/enwiki-dated/{date}.xml.bz2"], tmp_path / date, Shard(0, None))
    old, new = (tmp_path / date for date in dates)
    diff_pages(old, new, tmp_path / "diff", language="en")
    tables = Tables(old, new, tmp_path / "diff", (old,))
    write_snapshot_probes(
        tables, "20211213", settings(), language="en", holdout_share=0.02, output=tmp_path / "out"
    )
    rows, counts = read_table(tmp_path / "out", "probes").to_pylist(), read_counts(tmp_path / "out")
    asked = {row["subject"]: span(row) for row in rows if row["kind"] == "updated"}
    assert asked == {"Ranma ½": "55 million"}
    assert {row["kind"] for row in rows} == set(UNITS)
    for kind, unit in UNITS.items():
        of_kind = {key: count for key, count in counts.items() if key.startswith(f"{kind}: ")}
        assert of_kind.pop(f"{kind}: {unit}") == sum(of_kind.values()) > 0
    assert pq.read_metadata(tmp_path / "out").num_rows == len(rows)


def test_a_diff_of_other_tables_is_refused(tmp_path):
    """Without the check, all pages behind the first unknown one were lost."""
    shard(tmp_path, OLD, NEW)
    other = [page(2, "Beta", "Beta has 3 plants.", 2), *NEW]
    write_table([row for after in other for row in diff_rows(None, after)], tmp_path / "diff", "diff")
    tables = Tables(tmp_path / "old", tmp_path / "new", tmp_path / "diff", (tmp_path / "base",))
    with pytest.raises(TglError, match=r"diff: found changes of page 2, which .*new does not contain"):
        list(tables.changes())
