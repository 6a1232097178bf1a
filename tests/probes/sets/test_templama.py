import json
import lzma
from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.probes.sets.templama_records import PAIRS, REASONS, lost_answers, record, spans
from tgl.core.errors import TglError
from tgl.core.tables.write import to_arrow
from tgl.probes.sets.templama import templama_probes
from tgl.probes.settings import ProbesConfig


@pytest.fixture
def probe(tmp_path):
    """Return a function from records to (rows, counts), whose counts are checked to add up."""

    def run(*records, pairs=PAIRS, layout="lines", settings=ProbesConfig()):  # noqa: B008
        path = tmp_path / "t.json"
        text = json.dumps(records) if layout == "list" else "\n".join(map(json.dumps, records))
        path.write_text(text)
        rows, counts = templama_probes(path, pairs, settings)
        assert counts["records"] == sum(counts[reason] for reason in REASONS) == len(records)
        assert sum(counts[f"{kind}_probes"] for kind in ("new", "unchanged", "updated")) == len(rows)
        assert lost_answers(records, pairs) == (counts["deleted_answers"], counts["replaced_answers"])
        assert len({row["id"] for row in rows}) == len(rows)
        to_arrow(rows, "probes")
        return rows, counts

    return run


@pytest.mark.parametrize("layout", ["list", "lines"])
def test_each_answer_of_the_later_date_is_a_probe_of_its_kind(probe, layout):
    rows, _ = probe(
        record("2019", "Thorns", "United States"),
        record("2020", "Pride", "United States"),
        record("2020", "Real Madrid", key="Q2_P54", query="Sergio plays for _X_."),
        layout=layout,
    )
    assert spans(rows) == [("updated", "Pride"), ("unchanged", "United States"), ("new", "Real Madrid")]
    assert rows[0]["text"] == "Alex plays for Pride."
    assert [row["subject"] for row in rows] == ["Alex", "Alex", "Sergio"]
    assert (rows[0]["relation"], rows[0]["period"], rows[0]["set"]) == ("P54", "20200101", "templama")
    assert rows[0]["answer_group"] == rows[1]["answer_group"] != rows[2]["answer_group"]


def test_answer_can_be_one_object_and_names_are_stripped(probe):
    one = record("2020") | {"answer": {"name": " Pride "}}
    rows, _ = probe(record("2019", "Thorns"), one)
    assert spans(rows) == [("updated", "Pride")]
    assert rows[0]["text"] == "Alex plays for Pride."


def test_relation_comes_from_the_id_where_it_is_not_given(probe):
    rows, _ = probe(record("2019", "A", relation=None), record("2020", "B", relation=None))
    assert rows[0]["relation"] == "P54"


def test_queries_are_told_apart_by_id_and_without_ids_by_their_text(probe):
    rows, _ = probe(
        record("2019", "A", key="Q1_P54"),
        record("2020", "A", key="Q2_P54"),  # another Alex
        record("2019", "C", key=None, query="Bo plays for _X_."),
        record("2020", "C", key=None, query="Bo plays for _X_."),
    )
    assert spans(rows) == [("new", "A"), ("unchanged", "C")]


@pytest.mark.parametrize("keyed", [True, False])
def test_all_probes_of_a_subject_are_in_one_split(probe, keyed):
    templates = {
        "P54": "{} plays for _X_.",
        "P39": "{} holds the position of _X_.",
        "P108": "{} works for _X_.",
    }
    found = [
        record(
            date,
            f"in {date}",
            query=text.format(f"Ann {n}"),
            key=f"Q{n}_{key}" if keyed else None,
            relation=key,
        )
        for n in range(1, 13)
        for key, text in templates.items()
        for date in ("2019", "2020")
    ]
    rows, _ = probe(*found)
    splits = defaultdict(set)
    for row in rows:
        splits[row["subject"]].add(row["split"])
    assert len(splits) == 12
    assert {len(members) for members in splits.values()} == {1}
    assert len(set.union(*splits.values())) > 1


def test_answers_of_one_query_in_several_records_are_joined(probe):
    rows, _ = probe(record("2019", "A"), record("2019", "B"), record("2020", "B"), record("2020", "A", "A"))
    assert spans(rows) == [("unchanged", "B"), ("unchanged", "A")]


def test_answers_that_are_lost_are_counted_by_whether_their_query_is_gone(probe):
    _, counts = probe(
        record("2019", "A", "B"),
        record("2020", "A", "C"),  # B is replaced
        record("2019", "D", "E", key="Q2_P54"),  # all of the query is gone
        record("2020", "F", key="Q3_P54"),
    )
    assert (counts["replaced_answers"], counts["deleted_answers"]) == (1, 2)


def test_subject_of_a_record_goes_before_what_the_template_says(probe):
    rows, _ = probe(record("2019", "A"), record("2020", "B") | {"subject": " Alex Morgan "})
    assert rows[0]["subject"] == "Alex Morgan"
    rows, _ = probe(record("2019", "A"), record("2020", "B") | {"subject": None})
    assert rows[0]["subject"] == "Alex"


def test_rows_can_be_of_another_set(tmp_path):
    (tmp_path / "t.json").write_text(json.dumps([record("2019", "A"), record("2020", "B")]))
    (row,), _ = templama_probes(tmp_path / "t.json", PAIRS, ProbesConfig(), name="wikidata")
    assert (row["set"], row["id"]) == ("wikidata", "wikidata-20200101-Q1_P54-B")
    assert row["answer_group"] == "wikidata-20200101-Q1_P54"


@pytest.mark.parametrize(
    ("query", "text", "subject"),
    [
        ("_X_ is the head coach of Real Madrid.", "The head coach of Real Madrid is Pep.", "Real Madrid"),
        (
            "_X_ is the head coach of Hull City A.F.C..",
            "The head coach of Hull City A.F.C. is Pep.",
            "Hull City A.F.C.",
        ),
        ("_X_ is the chair of SPD.", "The chair of SPD is Pep.", "SPD"),
        (
            "_X_ is the head of the government of Berlin.",
            "The head of the government of Berlin is Pep.",
            "Berlin",
        ),
    ],
)
def test_old_templates_with_the_answer_first_are_turned(probe, query, text, subject):
    rows, _ = probe(record("2019", "Jo", query=query), record("2020", "Pep", query=query))
    assert rows[0]["text"] == text
    assert rows[0]["subject"] == subject
    assert spans(rows) == [("updated", "Pep")]


@pytest.mark.parametrize(
    "query", ["_X_ was the mayor of Rome.", "Ann met _X_ in Rome.", "Ann met him.", "_X_."]
)
def test_query_without_left_context_or_answer_at_its_end_is_counted_out(probe, query):
    rows, counts = probe(
        record("2019", "A"), record("2020", "B"), record("2020", "C", query=query, key="Q7_P1")
    )
    assert counts["answer_not_last"] == 1
    assert spans(rows) == [("updated", "B")]


def test_name_that_ends_with_a_full_stop_gets_no_second_one(probe):
    rows, _ = probe(record("2019", "A"), record("2020", "Arsenal F.C."))
    assert rows[0]["text"] == "Alex plays for Arsenal F.C."
    assert spans(rows) == [("updated", "Arsenal F.C.")]


def test_empty_answers_and_other_dates_are_counted(probe):
    rows, counts = probe(
        record("2019", "A"), record("2020", "", "B"), record("2020", ""), record("2018", "X")
    )
    assert spans(rows) == [("updated", "B")]
    assert (counts["empty_answer"], counts["other_date"]) == (1, 1)


def test_several_periods_share_a_date_and_quarters_are_dates(probe):
    pairs = {"20190401": ["2019-Q1", "2019-Q2"], "20190701": ["2019-Q2", "2019-Q3"]}
    rows, _ = probe(record("2019-Q1", "A"), record("2019-Q2", "B"), record("2019-Q3", "B"), pairs=pairs)
    assert [(row["period"], *span) for row, span in zip(rows, spans(rows), strict=True)] == [
        ("20190401", "updated", "B"),
        ("20190701", "unchanged", "B"),
    ]


def test_query_seen_at_another_date_only_is_new_against_the_earlier_one(probe):
    pairs = {"20200101": ["2019", "2020"], "20210101": ["2020", "2021"]}
    rows, _ = probe(
        record("2019", "A"),
        record("2020", "Z", key="Q5_P54"),
        record("2021", "A"),
        pairs=pairs,
    )
    assert [(row["period"], row["kind"]) for row in rows] == [("20200101", "new"), ("20210101", "new")]


def test_date_that_does_not_occur_is_an_error(probe):
    with pytest.raises(TglError, match=r"date '2020'.*period 20200101"):
        probe(record("2019", "A"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"query": "a _X_."', "line 1: not JSON"),
        ("[1]", "record 1: found int"),
        ('[{"a": 1}', "not JSON"),
        ('{"query": "a _X_.", "date": "2020"}', "record 1: query, date and answer"),
        ('{"query": "a _X_.", "date": "2020", "answer": ["A"]}', "record 1: query, date and answer"),
        ("\n\n7\n", "record 3: found int"),
    ],
)
def test_wrong_record_is_an_error_with_file_and_number(tmp_path, content, words):
    (tmp_path / "t.json").write_text(content)
    with pytest.raises(TglError, match=rf"t\.json.*{words}"):
        templama_probes(tmp_path / "t.json", PAIRS, ProbesConfig())


def test_missing_and_damaged_files_are_named(tmp_path):
    with pytest.raises(TglError, match=r"gone\.json: no such file, expected a file of probes"):
        templama_probes(tmp_path / "gone.json", PAIRS, ProbesConfig())
    packed = lzma.compress(json.dumps([record("2019", "A"), record("2020", "B")]).encode())
    (tmp_path / "cut.json.xz").write_bytes(packed[:-20])
    with pytest.raises(TglError, match=r"cut\.json\.xz"):
        templama_probes(tmp_path / "cut.json.xz", PAIRS, ProbesConfig())


@pytest.mark.parametrize("blank", ["\u2028", "\u0085"])
def test_line_separators_inside_a_json_string_do_not_end_the_line(tmp_path, blank):
    records = [record("2019", "A"), record("2020", f"B{blank}C")]
    lines = "\n".join(json.dumps(found, ensure_ascii=False) for found in records)
    (tmp_path / "t.jsonl").write_text(lines, encoding="utf-8")
    rows, _ = templama_probes(tmp_path / "t.jsonl", PAIRS, ProbesConfig())
    assert len(rows) == 1


names = st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), min_size=1, max_size=12).filter(
    str.strip
)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(names, max_size=5),
    st.lists(names, min_size=1, max_size=5),
    st.sampled_from(["_X_.", "_X_", "_X_ ."]),
)
def test_span_is_the_answer_whatever_it_is(tmp_path_factory, before, after, blank):
    path = tmp_path_factory.mktemp("t") / "t.json"
    query = f"Alex plays for {blank}"
    records = [record("2019", "-", *before, query=query), record("2020", *after, query=query)]
    path.write_text(json.dumps(records))
    rows, _ = templama_probes(path, PAIRS, ProbesConfig())
    expected = list(dict.fromkeys(name.strip() for name in after))
    assert [name for _, name in spans(rows)] == expected
    held = {name.strip() for name in before} | {"-"}
    assert [kind for kind, _ in spans(rows)] == ["unchanged" if n in held else "updated" for n in expected]
    assert all(row["text"].startswith("Alex plays for ") for row in rows)


@pytest.mark.parametrize(
    "change",
    [
        {"date": ["2019"]},
        {"date": 2019},
        {"query": None},
        {"id": 5},
        {"relation": ["P54"]},
        {"subject": 7},
        {"answer": [{"name": "\ud800"}]},
        {"query": "Alex plays for \udfff _X_."},
    ],
)
def test_values_of_a_wrong_kind_are_refused_with_file_and_record(probe, change):
    with pytest.raises(TglError, match=r"t\.json, (record|line) 2"):
        probe(record("2019", "Thorns"), record("2020", "Pride") | change)
