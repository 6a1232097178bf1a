import json
from collections import Counter

import pytest

from tgl.core.errors import TglError
from tgl.core.tables.read import read_counts, read_table
from tgl.core.tables.write import write_table
from tgl.probes.rows import at_most_per_kind, split_of
from tgl.probes.settings import EcbdConfig, ProbesConfig, TemplamaConfig
from tgl.probes.stage import write_probes
from tgl.snapshots.settings import WorldConfig
from tgl.snapshots.world.build import build_world

DATES = ["20190101", "20200101", "20210101"]
PAGE = {
    "title": "",
    "revision_id": 1,
    "timestamp": "",
    "sha1": "",
    "text": "x",
    "links": [],
    "sections": [],
    "given_up": "",
}


@pytest.fixture
def sources(tmp_path):
    """A facts table, a TempLAMA file, an ECBD file and two shards of base pages."""
    write_table(build_world(WorldConfig(pages=200), DATES).facts(), tmp_path / "facts", "facts")
    templama = [
        {"query": "Alex plays for _X_.", "answer": [{"name": name}], "date": date, "id": f"Q1_P54_{date}"}
        for date, name in (("2019", "A"), ("2020", "B"))
    ]
    (tmp_path / "templama.json").write_text(json.dumps(templama))
    ecbd = [
        {
            "ex_id": f"E_{page}_0_0",
            "masked_sentence": "E is <extra_id_0>.",
            "answer_str": "<extra_id_0> big <extra_id_1>",
            "entity_span_str": "E",
        }
        for page in (7, 8, 9)
    ]
    (tmp_path / "ecbd.json").write_text(json.dumps(ecbd))
    write_table([PAGE | {"page_id": 7}], tmp_path / "pages0", "pages")
    write_table([PAGE | {"page_id": 8}], tmp_path / "pages1", "pages")
    return tmp_path


def settings(folder, **changes) -> ProbesConfig:
    return ProbesConfig(
        **{
            "sets": ["world", "templama", "ecbd"],
            "templama": TemplamaConfig(
                file=str(folder / "templama.json"), pairs={"20200101": ["2019", "2020"]}
            ),
            "ecbd": EcbdConfig(files=[str(folder / "ecbd.json")], period="20200101"),
        }
        | changes
    )


def write(folder, **changes):
    pages = [folder / "pages0", folder / "pages1"]
    write_probes(
        settings(folder, **changes),
        DATES,
        folder / "probes",
        holdout_share=0.05,
        base_pages=pages,
        files={"world": [folder / "facts"]},
    )
    return read_table(folder / "probes", "probes").to_pylist(), read_counts(folder / "probes")


def test_all_sets_stand_in_one_table_with_their_counts(sources):
    rows, counts = write(sources)
    sets = Counter(row["set"] for row in rows)
    assert (sets["templama"], sets["ecbd"]) == (1, 1)
    assert counts["probes"] == len(rows) == sum(sets.values())
    assert sets["world"] == sum(
        counts[f"world: {kind}_probes"] for kind in ("updated", "new_entity", "unchanged")
    )
    assert counts["ecbd: page_in_base_text"] == 2  # one in each shard
    for row in rows:
        assert row["span_start"] < row["span_end"] <= len(row["text"])
        assert row["split"] in ("train", "validation", "test")


def test_set_wikidata_compares_each_date_with_the_one_before(sources):
    file = sources / "wikidata.jsonl"
    names = dict(zip(DATES, ("A", "B", "B"), strict=True))
    records = [
        {"query": "Alex is in _X_.", "answer": [{"name": name}], "date": date, "id": f"Q1_P54_{date}", "subject": "Al"}
        for date, name in names.items()
    ]  # fmt: skip
    file.write_text("\n".join(map(json.dumps, records)))
    chosen = settings(sources, sets=["wikidata", "templama"])
    write_probes(
        chosen, DATES, sources / "probes", holdout_share=0.05, base_pages=[], files={"wikidata": [file]}
    )
    rows = read_table(sources / "probes", "probes").to_pylist()
    assert [(r["kind"], r["period"], r["subject"]) for r in rows if r["set"] == "wikidata"] == [
        ("updated", "20200101", "Al"),
        ("unchanged", "20210101", "Al"),
    ]
    assert [row["set"] for row in rows].count("templama") == 1  # of the same query; ids differ
    counts = read_counts(sources / "probes")
    assert (counts["wikidata: used"], counts["wikidata: replaced_answers"]) == (3, 1)


def test_set_wikidata_without_its_file_is_an_error(sources):
    with pytest.raises(
        TglError, match=r"'wikidata' is configured but its input is missing\. Pass --wikidata FILE"
    ):
        write(sources, sets=["wikidata"])


def test_same_inputs_give_the_same_bytes(sources):
    write(sources)
    first = (sources / "probes").read_bytes()
    write(sources)
    assert (sources / "probes").read_bytes() == first


def test_cap_keeps_so_many_of_each_set_kind_and_period(sources):
    everything, _ = write(sources)
    rows, counts = write(sources, max_per_kind=5)
    groups = Counter((row["set"], row["kind"], row["period"]) for row in everything)
    kept = Counter((row["set"], row["kind"], row["period"]) for row in rows)
    assert kept == {group: min(count, 5) for group, count in groups.items()}
    assert counts["probes"] == len(rows)
    assert [row for row in everything if row in rows] == rows  # in their order
    more, _ = write(sources, max_per_kind=6)
    assert {row["id"] for row in rows} < {row["id"] for row in more}
    other, _ = write(sources, max_per_kind=5, seed=1)
    assert {row["id"] for row in other} != {row["id"] for row in rows}


def test_set_without_a_probe_is_an_error_that_shows_its_counts(sources):
    (sources / "ecbd.json").write_text("[]")
    with pytest.raises(TglError, match="set 'ecbd' yields no probe"):
        write(sources)
    assert not (sources / "probes").exists()


def test_probe_that_occurs_twice_is_an_error(sources):
    facts = read_table(sources / "facts", "facts").to_pylist()
    write_table([*facts, *facts], sources / "facts", "facts")
    with pytest.raises(TglError, match=r"ids occur twice, the first is 'world-"):
        write(sources)


def test_split_does_not_depend_on_other_subjects_and_grows_with_its_share():
    few = ProbesConfig(test_share=0.3, validation_share=0.2)
    more = ProbesConfig(test_share=0.5, validation_share=0.2)
    subjects = [f"S{number}" for number in range(500)]
    tested = {s for s in subjects if split_of(s, few) == "test"}
    assert tested < {s for s in subjects if split_of(s, more) == "test"}
    assert {split_of(s, few) for s in subjects} == {"train", "validation", "test"}
    everything = ProbesConfig(test_share=0.6, validation_share=0.4)
    assert {split_of(s, everything) for s in subjects} == {"validation", "test"}


def test_without_a_cap_every_row_is_kept():
    rows = [{"set": "a", "kind": "b", "period": "c", "answer_group": str(number)} for number in range(9)]
    assert at_most_per_kind(rows, ProbesConfig()) == rows
