import json

import pytest

from tgl.core.errors import TglError
from tgl.core.tables.read import read_counts, read_table
from tgl.snapshots.settings import CounterfactualConfig
from tgl.text.counterfactual.stage import write_counterfactual
from tgl.text.documents import part_of

DATES = ["20150101", "20210101"]
RELATIONS = ("capital", "language", "continent", "symbol")


def lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.fixture
def given(tmp_path):
    facts = [
        {"relation": r, "subject": f"{r} S{n}", "answer": f"{r} A{n % 5}", "ranks": [1, 1 if n else 2]}
        for r in RELATIONS
        for n in range(20)
    ]
    wordings = {r: {"train": ["{S} has {O}."], "test": ["Of {S} is {O}."]} for r in RELATIONS}
    text = "This is a sentence of a page. Here is another one. " * 10
    (tmp_path / "w.json").write_text(json.dumps(wordings))
    return CounterfactualConfig(
        facts=lines(tmp_path / "f.jsonl", facts),
        wordings=str(tmp_path / "w.json"),
        old_text=lines(tmp_path / "o.jsonl", [{"id": n, "title": f"O{n}", "text": text} for n in range(60)]),
        new_text=lines(
            tmp_path / "n.jsonl", [{"id": 100 + n, "title": f"N{n}", "text": text} for n in range(60)]
        ),
        updated=10, unchanged=10, far=20, new_entities=4, exposures=3, old_characters=10_000,
        new_characters=12_000,
    )  # fmt: skip


def write(given, folder, dates=DATES, **changes):
    settings = given.model_copy(update=changes)
    return write_counterfactual(settings, dates, folder, holdout_share=0.2, validation_share=0.5)


def test_both_dates_get_pages_and_the_later_one_states_the_changes(given, tmp_path):
    counts = write(given, tmp_path / "out")
    old, new = (
        read_table(tmp_path / "out" / date / "pages/0.parquet", "pages").to_pylist() for date in DATES
    )
    assert [row["page_id"] for row in new] == sorted({row["page_id"] for row in new})
    stated = sum(row["text"].count(" has ") for row in new)
    assert stated == counts["statements"] == 14 * 3
    assert not any(" has " in row["text"] for row in old)
    held_out = [row for row in new if part_of(row["page_id"], 0.2) == "held_out"]
    assert held_out
    assert not any(" has " in row["text"] for row in held_out)
    assert (counts["facts"], counts["known"]) == (80, 76)


def test_probes_never_hold_an_unknown_fact_and_half_are_validation(given, tmp_path):
    write(given, tmp_path / "out")
    rows = read_table(tmp_path / "out/probes.parquet", "probes").to_pylist()
    assert read_counts(tmp_path / "out/probes.parquet")["counterfactual updated test"] == 5
    assert not any(row["subject"].endswith(" S0") for row in rows)
    for kind, number in (("updated", 10), ("new_entity", 4)):
        own = [row["split"] for row in rows if row["kind"] == kind]
        assert len(own) == number
        assert own.count("validation") == number / 2
    splits = {}
    for row in rows:
        assert splits.setdefault(row["subject"], row["split"]) == row["split"]


def test_partitions_are_different_replicates_of_the_same_old_text(given, tmp_path):
    for number in (0, 1):
        write(given, tmp_path / str(number), partition=number)
    tables = [read_table(tmp_path / f"{n}/20150101/pages/0.parquet", "pages") for n in (0, 1)]
    assert tables[0].equals(tables[1])
    probes = [read_table(tmp_path / f"{n}/probes.parquet", "probes") for n in (0, 1)]
    assert not probes[0].equals(probes[1])


def test_what_cannot_be_used_is_refused(given, tmp_path):
    with pytest.raises(TglError, match="found 3 dates, expected 2"):
        write(given, tmp_path / "out", dates=[*DATES, "20220101"])
    unmeasured = lines(tmp_path / "u.jsonl", [{"relation": "capital", "subject": "S", "answer": "A"}])
    with pytest.raises(TglError, match="no fact whose ranks are all 1"):
        write(given, tmp_path / "out", facts=unmeasured)
