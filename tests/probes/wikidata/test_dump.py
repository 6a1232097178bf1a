import bz2
import gzip
import json
import lzma

import pytest

from tests.probes.wikidata.layout import (
    ANN,
    NAMED,
    OSLO,
    RECORDS,
    WORLD,
    dump_text,
    entity,
    item_snak,
    shown,
    statement,
    time_snak,
)
from tgl.core.errors import TglError
from tgl.probes.wikidata import dump as wikidata_dump

STRING = {"snaktype": "value", "property": "P54", "datavalue": {"value": "Rovers", "type": "string"}}
PROPERTY = item_snak("P54", "Q10")
PROPERTY = PROPERTY | {
    "datavalue": {"value": {"entity-type": "property", "id": "P10"}, "type": "wikibase-entityid"}
}


@pytest.mark.parametrize(
    ("reason", "odd"),
    [
        ("deprecated", entity("Q7", "Dee", statement("P54", "Q10", "2018", rank="deprecated"))),
        ("subject_without_article", entity("Q7", "Dee", statement("P54", "Q10", "2018"), site="dewiki")),
        ("subject_without_article", entity("Q7", "Dee", statement("P54", "Q10", "2018"), site=None)),
        ("subject_without_label", entity("Q7", None, statement("P54", "Q10", "2018"))),
        ("subject_without_label", entity("Q7", "Dee", statement("P54", "Q10", "2018"), language="de")),
        ("subject_without_label", entity("Q7", " \n", statement("P54", "Q10", "2018"))),
        ("subject_not_an_item", entity("P7", "dee", statement("P54", "Q10", "2018"), kind="property")),
        ("value_unknown", entity("Q7", "Dee", statement("P54", time_snak("somevalue", relation="P54"), "2018"))),
        ("value_unknown", entity("Q7", "Dee", statement("P54", time_snak("novalue", relation="P54"), "2018"))),
        ("value_not_an_item", entity("Q7", "Dee", statement("P54", STRING, "2018"))),
        ("value_not_an_item", entity("Q7", "Dee", statement("P54", time_snak("2018", relation="P54"), "2018"))),
        ("value_not_an_item", entity("Q7", "Dee", statement("P54", PROPERTY, "2018"))),
        ("no_start", entity("Q7", "Dee", statement("P54", "Q10"))),
        ("no_start", entity("Q7", "Dee", statement("P54", "Q10", None, "2020"))),
        ("point_in_time", entity("Q7", "Dee", statement("P54", "Q10", P585="2019-01-01"))),
        ("start_unknown", entity("Q7", "Dee", statement("P54", "Q10", "somevalue"))),
        ("start_unknown", entity("Q7", "Dee", statement("P54", "Q10", "novalue"))),
        ("several_times", entity("Q7", "Dee", statement("P54", "Q10", ["2015", "2018"]))),
        ("several_times", entity("Q7", "Dee", statement("P54", "Q10", "2015", ["2016", "somevalue"]))),
        ("broken_time", entity("Q7", "Dee", statement("P54", "Q10", "2018-02-30"))),
        ("other_dates", entity("Q7", "Dee", statement("P54", "Q10", "2017-01-01", "2018-12-31"))),
        ("other_dates", entity("Q7", "Dee", statement("P54", "Q10", "2020-01-02"))),
        ("uncertain", entity("Q7", "Dee", statement("P54", "Q10", "2018", "somevalue"))),
        ("object_without_label", entity("Q7", "Dee", statement("P54", "Q99", "2018"))),
        ("object_without_label", entity("Q7", "Dee", statement("P54", "Q98", "2018"))),
    ],
)  # fmt: skip
def test_statement_that_is_left_out_is_counted_with_its_reason(build, reason, odd):
    unnamed = entity("Q98", "Namenlos", language="de")
    records, counts = build(dump_text(odd, *WORLD, unnamed))
    assert shown(records) == RECORDS
    assert counts[reason] == 1
    assert counts["statements"] == 7


@pytest.mark.parametrize(
    "kept",
    [
        statement("P54", "Q10", "2018", rank="preferred"),
        statement("P54", "Q10", "2018", "novalue"),  # said to have no end
        statement("P54", "Q10", "2018", P585="2018-05"),
        statement("P54", "Q10", time_snak("-0044-00-00T00:00:00Z", 9)),
        statement("P54", "Q10", "2018", P1545="2018"),  # some other qualifier
    ],
)
def test_statement_of_odd_shape_that_holds_is_used(build, kept):
    dates = ["20190101"]
    records, _ = build(dump_text(entity("Q7", "Dee", kept), *NAMED), dates)
    assert shown(records) == [("20190101", "The team of Dee is _X_.", ["Rovers"])]


def test_values_of_old_dumps_have_no_id(build):
    old = statement("P54", "Q10", "2018")
    del old["mainsnak"]["datavalue"]["value"]["id"]
    records, _ = build(dump_text(entity("Q7", "Dee", old), *NAMED), ["20190101"])
    assert records[0]["answer"] == [{"wikidata_id": "Q10", "name": "Rovers"}]


def test_lines_without_a_wanted_relation_are_entities_without_statements(build):
    other = entity("Q7", "Dee", statement("P31", "Q5"), statement("P5400", "Q10", "2018"))
    lexeme = {"type": "lexeme", "id": "L1", "lemmas": {}, "claims": []}
    records, counts = build(dump_text(other, lexeme, *WORLD))
    assert shown(records) == RECORDS
    assert (counts["entities"], counts["statements"]) == (10, 6)


def test_labels_are_of_the_language_or_for_all_languages_and_on_one_line(build):
    dee = entity("Q7", "Dee\nAnn  Doe", statement("P54", "Q10", "2018"), language="mul")
    rovers = entity("Q10", "Rovers ")
    rovers["labels"]["nb"] = {"language": "nb", "value": "Vandrerne"}
    records, _ = build(dump_text(dee, rovers), ["20190101"])
    assert shown(records) == [("20190101", "The team of Dee Ann Doe is _X_.", ["Rovers"])]
    assert records[0]["subject"] == "Dee Ann Doe"
    records, _ = build(dump_text(dee, rovers), ["20190101"], language="nb")
    assert shown(records) == [("20190101", "The team of Dee Ann Doe is _X_.", ["Vandrerne"])]


def test_sitelink_chooses_the_subjects_and_null_takes_all(build):
    dee = entity("Q7", "Dee", statement("P54", "Q10", "2018"), site="dewiki")
    queries = {sitelink: build(dump_text(dee, *WORLD), sitelink=sitelink)[1]["queries"] for sitelink in
               ("enwiki", "dewiki", None)}  # fmt: skip
    assert queries == {"enwiki": 4, "dewiki": 1, None: 5}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[\n" + json.dumps(ANN) + ",\n", r"d\.json: ends before the line \]"),
        ("[\n" + json.dumps(ANN)[:-9] + "\n]", r"d\.json, line 2: .* expected one entity"),
        ("[\n" + json.dumps(ANN)[:-9] + "}\n]", r"d\.json, line 2: not an entity .*JSON"),
        (dump_text(ANN) + json.dumps(OSLO), r"d\.json, line 4: .* expected one entity"),
        (json.dumps([ANN, OSLO]), r"d\.json, line 1: .* expected one entity"),
        ("7", r"d\.json, line 1: found '7'"),
        ("", r"d\.json: no fact"),
        ("[\n]", r"d\.json: no fact that holds at 20190101, 20200101; counts"),
        ("\n" + json.dumps(ANN | {"labels": 7}), r"d\.json, line 2: not an entity .*found int"),
        (json.dumps(ANN | {"id": "Q0"}), r"d\.json, line 1: not an entity"),
        (json.dumps(ANN | {"id": ["Q1"]}), r"d\.json, line 1: not an entity"),
        (json.dumps({"id": "Q1", "claims": {"P54": []}}), r"d\.json, line 1: not an entity .*type"),
        (json.dumps(ANN | {"claims": {"P54": [{}]}}), r"d\.json: no fact .*'odd_statement': 1"),
        (json.dumps(ANN | {"claims": {"P54": [7]}}), r"d\.json: no fact .*'odd_statement': 1"),
        (
            json.dumps(ANN).replace('"precision": 11', '"precision": true'),
            r"d\.json: no fact .*'odd_statement': ",
        ),
        (json.dumps(ANN).replace('"+2015-07-01T00:00:00Z"', "2015"), r"d\.json: no fact .*'odd_statement': "),
        (json.dumps(ANN) + "\n" + '{"type":"item","id":"Q10","labels":{"en":7}}', r"no fact .*'odd_entity': 1"),
        (json.dumps(ANN) + "\n" + '{"id":"Q10" "Q10"}', r"no fact .*'object_without_label'"),
        (json.dumps(ANN).replace("Ann Lee", r"\ud800"), r"d\.json, line 1: not an entity .*surrogates"),
        ("[" * 40, r"d\.json, line 1"),
        (b"[\n{\"\xff\"}\n]", r"d\.json: cannot be read"),
        (None, r"d\.json: no such"),
    ],
)  # fmt: skip
def test_broken_dump_is_refused_with_file_and_line(build, tmp_path, text, words):
    with pytest.raises(TglError, match=words):
        build(text)
    assert not (tmp_path / "out.jsonl").exists()


def test_odd_statements_and_entities_are_counted_and_the_others_used(build):
    odd = statement("P54", "Q10", "2018")
    odd["qualifiers"]["P580"][0]["datavalue"] = {"value": "2018?", "type": "bad", "error": "x"}
    dee = entity("Q7", "Dee", odd, statement("P54", "Q10", "2018"))
    redirect = {"entity": "Q9", "redirect": "Q7", "was": {"P54": []}}
    records, counts = build(dump_text(dee, redirect, *WORLD))
    assert (counts["odd_statement"], counts["odd_entity"]) == (1, 1)
    assert "Dee" in {record["subject"] for record in records}


def test_labels_of_a_variant_stand_for_those_of_the_language(build):
    dee = entity("Q7", "Dee", statement("P54", "Q10", "2018"))
    dee["labels"] = {
        "en-gb": {"language": "en-gb", "value": "Dee of Kent"},
        "mul": {"language": "mul", "value": "D"},
    }
    records, _ = build(dump_text(dee, *WORLD))
    assert "Dee of Kent" in {record["subject"] for record in records}


@pytest.mark.parametrize(
    ("suffix", "pack"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)]
)
def test_packed_dump_that_is_cut_off_or_damaged_is_refused(build, suffix, pack):
    packed = pack(dump_text(*WORLD).encode())
    for damaged in (packed[:-20], b"no archive" + packed[10:], packed[:40] + b"xxxx" + packed[44:]):
        with pytest.raises(TglError, match=rf"d\.json\.{suffix}"):
            build(damaged, name=f"d.json.{suffix}")


def test_line_without_end_is_read_no_further_than_its_limit(build, monkeypatch):
    monkeypatch.setattr(wikidata_dump, "_MOST_CHARACTERS", 5000)
    with pytest.raises(TglError, match=r"d\.json, line 2: more than 5000 characters"):
        build("\n" + " " * 5001)
