import bz2
import gzip
import json
import lzma
import random

import pytest

from tests.probes.wikidata.layout import (
    DATES,
    NAMED,
    OSLO,
    RECORDS,
    WORLD,
    answer_text,
    dump_text,
    entity,
    rows_of,
    shown,
    statement,
    without,
)
from tgl.core.errors import TglError
from tgl.probes.sets.templama import templama_probes
from tgl.probes.settings import ProbesConfig


def test_what_held_at_each_date_is_written_as_dynamic_templama_is(build):
    records, counts = build(dump_text(*WORLD))
    assert shown(records) == RECORDS
    assert records[0] == {
        "query": "The team of Ann Lee is _X_.",
        "answer": [{"wikidata_id": "Q11", "name": "Norway"}, {"wikidata_id": "Q12", "name": "Oslo F.C."}],
        "date": "20190101",
        "id": "Q1_P54_20190101",
        "relation": "P54",
        "subject": "Ann Lee",
    }
    assert (counts["entities"], counts["statements"], counts["used"]) == (8, 6, 6)


def test_the_loader_tells_updated_unchanged_new_deleted_and_replaced_answers(build, tmp_path):
    build(dump_text(*WORLD))
    pairs = {"20200101": DATES}
    rows, counts = templama_probes(tmp_path / "out.jsonl", pairs, ProbesConfig(), name="wikidata")
    assert [(row["kind"], row["text"], row["subject"]) for row in rows] == [
        ("updated", "The team of Ann Lee is Rovers.", "Ann Lee"),
        ("unchanged", "The team of Ann Lee is Norway.", "Ann Lee"),
        ("new", "The team of Bo is Rovers.", "Bo"),
        ("unchanged", "Oslo is led by Eva.", "Oslo"),
    ]
    assert {row["set"] for row in rows} == {"wikidata"}
    # Ann's Oslo F.C., and Cy's Rovers with his query
    assert (counts["replaced_answers"], counts["deleted_answers"]) == (1, 1)


def test_an_answer_gives_the_records_of_the_dump_it_was_asked_of(build):
    expected, counted = build(dump_text(*WORLD))
    rows = list(rows_of(WORLD))
    for text in (
        answer_text(*rows),
        answer_text(*without(rows, "statement", "startPrecision", "endPrecision")),
        json.dumps(json.loads(answer_text(*rows))),  # on one line
    ):
        found, counts = build(text, name="a.srj")
        assert found == expected
        assert (counts["rows"], counts["statements"], counts["used"]) == (6, counted["statements"], 6)


@pytest.mark.parametrize("seed", range(3))
def test_order_of_the_input_changes_nothing(build, seed):
    entities, rows = [*WORLD], list(rows_of(WORLD))
    random.Random(seed).shuffle(entities)
    random.Random(seed).shuffle(rows)
    assert shown(build(dump_text(*entities))[0]) == RECORDS
    assert shown(build(answer_text(*rows))[0]) == RECORDS


@pytest.mark.parametrize(
    ("suffix", "pack"),
    [(".json", bytes), (".json.gz", gzip.compress), (".json.bz2", bz2.compress), (".json.xz", lzma.compress)],
)
def test_dumps_and_answers_are_read_packed_or_not(build, suffix, pack):
    for text in (dump_text(*WORLD), answer_text(*rows_of(WORLD))):
        assert shown(build(pack(text.encode()), name=f"d{suffix}")[0]) == RECORDS


def test_dump_in_several_bz2_streams_and_json_lines_are_read(build):
    lines = dump_text(*WORLD).encode().splitlines(keepends=True)
    assert shown(build(b"".join(map(bz2.compress, lines)), name="d.json.bz2")[0]) == RECORDS
    plain = "\n\n".join(json.dumps(found) for found in WORLD)  # spaces, escapes and no commas
    assert shown(build(plain)[0]) == RECORDS


def test_query_with_an_answer_that_is_uncertain_or_has_no_label_is_left_out_whole(build):
    """Else Bea, who changed her team in 2019, would look as if she had none before."""
    late = ["20190601", "20200101"]
    bea = entity("Q7", "Bea", statement("P54", "Q11", "2015", "2019"), statement("P54", "Q10", "2020-01-01"))
    dee = entity("Q8", "Dee", statement("P54", "Q99", "2015"), statement("P54", "Q10", "2019-08-01"))
    records, counts = build(dump_text(bea, dee, OSLO, *NAMED), late)
    assert shown(records) == [(date, "Oslo is led by _X_.", ["Eva"]) for date in late]
    assert (counts["uncertain"], counts["object_without_label"], counts["query_not_whole"]) == (1, 1, 2)
    assert (counts["statements"], counts["used"]) == (5, 1)
    records, counts = build(
        dump_text(bea, dee, OSLO, *NAMED), DATES
    )  # on 1 January nothing of Bea's is uncertain
    assert [names for _, query, names in shown(records) if "Bea" in query] == [["Norway"], ["Rovers"]]


def test_same_object_in_two_statements_is_one_answer(build):
    twice = [statement("P54", "Q10", "2018"), statement("P54", "Q10", "2017", "2021-05-01")]
    records, counts = build(dump_text(entity("Q7", "Dee", *twice), *NAMED), ["20190101"])
    assert shown(records) == [("20190101", "The team of Dee is _X_.", ["Rovers"])]
    assert counts["used"] == 2


def test_at_most_so_many_subjects_of_each_relation_are_taken_at_all_dates(build):
    people = [entity(f"Q{100 + n}", f"P{n}", statement("P54", "Q10", "2018")) for n in range(20)]
    taken = []
    for most in (3, 5, None):
        records, counts = build(dump_text(*people, OSLO, *NAMED), max_per_relation=most)
        first, second = ({r["subject"] for r in records if r["date"] == date} for date in DATES)
        assert first == second
        assert len(first) == (most or 20) + 1
        assert counts["over_max_per_relation"] == 20 - (most or 20)
        taken.append(first)
    assert taken[0] < taken[1] < taken[2]


def test_shipped_templates_are_taken_where_none_are_given(build):
    records, _ = build(dump_text(*WORLD), templates=None)
    assert records[0]["query"] == "The sports team of Ann Lee is _X_."
    assert {record["relation"] for record in records} == {"P54", "P6"}


@pytest.mark.parametrize(
    ("dates", "words"), [(["20190230"], "not a date"), (["20190101"] * 2, "contains a date twice")]
)
def test_wrong_dates_are_refused(build, dates, words):
    with pytest.raises(TglError, match=words):
        build(dump_text(*WORLD), dates)
