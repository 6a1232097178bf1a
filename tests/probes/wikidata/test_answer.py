import json
import re

import pytest

from tests.probes.wikidata.layout import (
    NAMED,
    OSLO,
    RECORDS,
    WORLD,
    answer_text,
    rows_of,
    shown,
    term,
    without,
)
from tests.support.paths import REPOSITORY
from tgl.core.errors import TglError

ROW = {
    "subject": "Q7", "subjectLabel": "Dee", "relation": "P54", "object": "Q10", "objectLabel": "Rovers",
    "start": "2018-03-04T00:00:00Z",
}  # fmt: skip
BLANK_NODE = {"type": "bnode", "value": "t1"}
GENID = {"type": "uri", "value": "http://www.wikidata.org/.well-known/genid/0a"}


@pytest.mark.parametrize(
    ("reason", "change"),
    [
        ("other_relation", {"relation": "http://www.wikidata.org/prop/P31"}),
        ("subject_not_an_item", {"subject": {"type": "uri", "value": "http://www.wikidata.org/entity/P7"}}),
        ("subject_without_label", {"subjectLabel": "Q7"}),
        ("subject_without_label", {"subjectLabel": None}),
        ("value_unknown", {"object": BLANK_NODE}),
        ("value_unknown", {"object": GENID}),
        ("value_not_an_item", {"object": {"type": "literal", "value": "Q10"}}),
        ("value_not_an_item", {"object": {"type": "uri", "value": "http://www.wikidata.org/entity/P10"}}),
        ("no_start", {"start": None}),
        ("start_unknown", {"start": GENID}),
        ("broken_time", {"start": "2018"}),
        ("other_dates", {"start": "2021-01-01T00:00:00Z"}),
        ("uncertain", {"end": BLANK_NODE}),
        ("uncertain", {"end": "2010-01-01T00:00:00Z", "endPrecision": "8"}),
        ("object_without_label", {"objectLabel": "Q77", "object": "Q77"}),
        ("object_without_label", {"objectLabel": None, "object": "Q77"}),
    ],
)
def test_row_that_is_left_out_is_counted_with_its_reason(build, reason, change):
    odd = {key: value for key, value in (ROW | change).items() if value is not None}
    records, counts = build(answer_text(odd, *rows_of(WORLD)))
    assert shown(records) == RECORDS
    assert (counts[reason], counts["statements"]) == (1, 7)


@pytest.mark.parametrize(
    ("relation", "found"),
    [("P54", 1), ("http://www.wikidata.org/prop/P54", 1), ("http://www.wikidata.org/prop/direct/P54", 1)],
)
def test_relation_is_a_property_id_or_any_of_its_addresses(build, relation, found):
    _, counts = build(answer_text(ROW | {"relation": relation}))
    assert counts["used"] == found


def test_rows_of_one_statement_are_its_several_times_and_without_it_statements_of_their_own(build):
    rows = [
        ROW | {"statement": "http://s/1"},
        ROW | {"statement": "http://s/1", "start": "2017-05-06T00:00:00Z"},
    ]
    _, counts = build(answer_text(*rows, *rows_of(WORLD)))
    assert (counts["rows"], counts["statements"], counts["several_times"]) == (8, 7, 1)
    _, counts = build(answer_text(*without(rows, "statement"), *rows_of(WORLD)))
    assert (counts["rows"], counts["statements"], counts["several_times"]) == (8, 8, 0)
    _, counts = build(answer_text(rows[0], rows[0], *rows_of(WORLD)))  # the same row twice
    assert (counts["statements"], counts["several_times"], counts["used"]) == (7, 0, 7)


@pytest.mark.parametrize(
    ("end", "date", "used"),
    [
        ("2019-01-01T00:00:00Z", "20190701", 0),  # may be the year
        ("2019-07-01T00:00:00Z", "20190715", 0),  # or the month
        ("2019-07-02T00:00:00Z", "20190715", 0),
        ("2019-07-16T00:00:00Z", "20190715", 1),
    ],
)
def test_first_of_january_or_month_may_be_a_year_or_month_where_no_precision_is_given(build, end, date, used):
    _, counts = build(answer_text(ROW | {"end": end}, *rows_of([OSLO, *NAMED])), [date])
    assert counts["used"] == 1 + used
    assert counts["uncertain"] == (end[8:10] == "01")


ANSWER = json.loads(answer_text(ROW))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"head": {"vars": []}, "results": {"bindings": []}}, "no variable subject, subjectLabel, relation"),
        ({"head": {"vars": list(ROW)[:-1]}, "results": {"bindings": []}}, "no variable start"),
        ({"head": {}, "boolean": True}, "not an answer of a SPARQL service"),
        ({"head": ANSWER["head"], "results": {"bindings": {}}}, "must be a list"),
        (ANSWER | {"results": {"bindings": []}}, "no fact"),
        (ANSWER | {"results": {"bindings": [7]}}, "row 1"),
        (ANSWER | {"results": {"bindings": [{}]}}, "row 1: KeyError.*relation"),
        (ANSWER | {"results": {"bindings": ANSWER["results"]["bindings"] * 2 + [{"relation": 7}]}}, "row 3"),
    ],
)
def test_broken_answer_is_refused_with_file_and_row(build, answer, words):
    with pytest.raises(TglError, match=rf"a\.json.*{words}"):
        build(json.dumps(answer), name="a.json")


@pytest.mark.parametrize(
    "change",
    [
        {"subject": {"type": "uri", "value": 7}},
        {"subject": {"type": "uri"}},
        {"subject": term("Qx")},
        {"object": {"value": "Q10"}},
        {"object": {"type": "uri", "value": "http://www.wikidata.org/entity/Q01"}},
        {"start": {"type": "literal", "value": ["2018"]}},
        {"startPrecision": "day"},
        {"startPrecision": {"type": "literal", "value": float("inf")}},
        {"subjectLabel": {"type": "literal", "value": {}}},
        {"statement": {"type": "uri", "value": []}},
    ],
)
def test_term_of_a_wrong_kind_is_refused_with_file_and_row(build, change):
    with pytest.raises(TglError, match=r"d\.json, row 2: "):
        build(answer_text(ROW, ROW | change))


def test_query_of_the_documentation_asks_for_what_is_read():
    text = (REPOSITORY / "docs" / "probes.md").read_text()
    (query,) = re.findall(r"```sparql\n(.*?)```", text, re.DOTALL)
    asked = re.findall(r"\?(\w+)", query.partition("WHERE")[0])
    assert asked == list(next(row for row in rows_of(WORLD) if "end" in row))
    assert query.count("{") == query.count("}")
    assert set(re.findall(r"\?(\w+)", query.partition("WHERE")[2])) >= set(asked) - {
        "subjectLabel",
        "objectLabel",
    }
