import json
import lzma

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.model_fixtures import some_probes, write_probes
from tgl.core.errors import TglError
from tgl.core.schemas import SCHEMAS
from tgl.probes.given import read_probes

LINE = {"text": "Anna lives in Oslo.", "span": "Oslo", "kind": "updated"}


@pytest.fixture
def read(tmp_path):
    def run(*records, name="p.jsonl"):
        text = "\n".join(map(json.dumps, records))
        (tmp_path / name).write_bytes(lzma.compress(text.encode()) if name.endswith(".xz") else text.encode())
        return read_probes(tmp_path / name)

    return run


def span(row):
    return row["text"][row["span_start"] : row["span_end"]]


def test_the_least_line_becomes_a_whole_row(read):
    assert read(LINE) == [
        {
            "id": "line1", "set": "given", "kind": "updated", "period": "", "relation": "", "subject": "",
            "text": "Anna lives in Oslo.", "span_start": 14, "span_end": 18, "answer_group": "line1",
            "split": "validation", "candidates": [], "old_answer": "",
        }
    ]  # fmt: skip


def test_everything_a_line_gives_is_kept(read):
    record = {
        "id": "x", "set": "mine", "kind": "unchanged", "period": "2020", "relation": "city", "subject": "Anna",
        "text": "Anna lives in Oslo", "span_start": 14, "span_end": 18, "answer_group": "g", "split": "test",
        "candidates": ["Oslo", "Rome"],
        "old_answer": "Rome",
    }  # fmt: skip
    assert read(record) == [record]
    assert set(record) == set(SCHEMAS["probes"].names)


def test_ids_count_lines_and_each_is_its_own_answer_group(read):
    rows = read(LINE, LINE, {**LINE, "id": 7}, {**LINE, "answer_group": "g"})
    assert [row["id"] for row in rows] == ["line1", "line2", "7", "line4"]
    assert [row["answer_group"] for row in rows] == ["line1", "line2", "7", "g"]


@pytest.mark.parametrize("name", ["p.jsonl", "p.json", "p.jsonl.xz"])
def test_files_may_be_compressed_and_a_number_may_be_a_period(read, name):
    rows = read({**LINE, "period": 2021}, name=name)
    assert (rows[0]["period"], span(rows[0])) == ("2021", "Oslo")


def test_a_json_list_is_read_too(tmp_path):
    (tmp_path / "p.json").write_text(json.dumps([LINE, LINE]))
    assert [row["id"] for row in read_probes(tmp_path / "p.json")] == ["line1", "line2"]


def test_a_table_of_probes_is_read_as_it_is(tmp_path):
    rows = some_probes()
    assert read_probes(write_probes(tmp_path / "p.parquet", rows)) == rows


def test_the_last_occurrence_of_the_span_is_taken(read):
    row = read({**LINE, "text": "Oslo is Oslo is Oslo.", "span": "Oslo"})[0]
    assert (row["span_start"], row["span_end"]) == (16, 20)


@settings(deadline=None, max_examples=50)
@given(st.text("aböß😀 .", min_size=1, max_size=12), st.data())
def test_a_span_and_its_offsets_give_the_same_characters(tmp_path_factory, text, data):
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    path = tmp_path_factory.mktemp("p") / "p.jsonl"
    by_text = {"text": text, "kind": "updated", "span": text[start:end], "id": "a"}
    by_offset = {"text": text, "kind": "updated", "span_start": start, "span_end": end, "id": "b"}
    path.write_text(json.dumps(by_text) + "\n" + json.dumps(by_offset))
    rows = read_probes(path)
    assert [span(row) for row in rows] == [text[start:end]] * 2
    assert rows[1]["span_start"] == start


def test_a_whole_word_comes_before_a_later_part_of_a_word(read):
    record = {"text": "The population of Chile is 18, up from 17 in 2018.", "span": "18", "kind": "updated"}
    assert read(record)[0]["span_start"] == record["text"].index("18,")
    assert read({**record, "span": "opulat"})[0]["span_start"] == 5  # only inside a word


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"txt": "a"}, r"unknown key 'txt' \(did you mean 'text'\?\)"),
        ({"Span": "Oslo"}, r"unknown key 'Span'.*known keys: answer_group, .*"),
        ({"text": ""}, "'text' must be a sentence, found ''"),
        ({"text": None}, "'text' must be a sentence, found None"),
        ({"kind": "old"}, "'kind' must be one of updated, new_entity, unchanged, new, found 'old'"),
        ({"kind": None}, "'kind' must be one of"),
        ({"span": "Rome"}, "the span 'Rome' does not occur in the text 'Anna lives in Oslo.'"),
        ({"span": "oslo"}, "does not occur"),
        ({"span": ""}, "the span '' does not occur"),
        ({"span": 3}, "the span 3 does not occur"),
    ],
)
def test_a_wrong_line_is_refused_with_file_line_and_key(read, change, words):
    with pytest.raises(TglError, match=rf"p\.jsonl, record 2: .*{words}"):
        read(LINE, {**LINE, **change})


@pytest.mark.parametrize(
    ("start", "end"), [(-1, 3), (3, 3), (4, 3), (0, 20), (19, 20), (None, 3), (0, None), ("0", 3), (0.0, 3)]
)
def test_offsets_outside_the_text_are_refused(read, start, end):
    record = {"text": "Anna lives in Oslo.", "kind": "updated", "span_start": start, "span_end": end}
    with pytest.raises(TglError, match=rf"record 1: .*a text of 19 characters.*found {start!r} and {end!r}"):
        read(record)


def test_offsets_decide_among_several_occurrences_and_must_fit_the_span(read):
    record = {"text": "Ajax beat PSV, said Ajax.", "kind": "updated", "span": "Ajax"}
    (row,) = read({**record, "span_start": 0, "span_end": 4})
    assert (row["span_start"], row["span_end"]) == (0, 4)
    with pytest.raises(
        TglError, match=r"record 1: found the span 'Ajax', and 'jax ' at the characters 1 to 5"
    ):
        read({**record, "span_start": 1, "span_end": 5})
    with pytest.raises(TglError, match="found 0 and None"):
        read({**record, "span_start": 0})


def test_a_line_without_any_span_is_refused(read):
    with pytest.raises(
        TglError, match=r"record 1: 'span', or 'span_start' and 'span_end'.*found None and None"
    ):
        read({"text": "Anna", "kind": "updated"})


def test_an_id_that_occurs_twice_is_refused(read):
    with pytest.raises(TglError, match="the id 'a' occurs twice"):
        read({**LINE, "id": "b"}, {**LINE, "id": "a"}, {**LINE, "id": "a"})
    with pytest.raises(TglError, match="the id 'line2' occurs twice"):
        read({**LINE, "id": "line2"}, LINE)


def test_files_without_probes_missing_and_broken_ones_are_named(read, tmp_path):
    with pytest.raises(TglError, match=r"p\.jsonl: no probe found"):
        read()
    with pytest.raises(TglError, match=r"gone\.jsonl: no such file, expected a file of probes"):
        read_probes(tmp_path / "gone.jsonl")
    with pytest.raises(TglError, match=r"gone\.parquet: no such file"):
        read_probes(tmp_path / "gone.parquet")
    (tmp_path / "p.jsonl").write_text(json.dumps(LINE) + "\n{")
    with pytest.raises(TglError, match=r"p\.jsonl, line 2: not JSON"):
        read_probes(tmp_path / "p.jsonl")


def test_null_is_nothing_given(read):
    line = {"text": "Anna lives in Oslo", "span": "Oslo", "kind": "updated"}
    empty = dict.fromkeys(("id", "relation", "candidates", "split", "subject"))
    assert read(line | empty) == read(line)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"candidates": "Oslo"}, "'candidates' must be a list of strings, found 'Oslo'"),
        ({"candidates": [1]}, r"'candidates' must be a list of strings, found \[1\]"),
        ({"split": "valid"}, "'split' must be one of train, validation, test, found 'valid'"),
        ({"relation": 3}, "'relation' must be a string, found 3"),
    ],
)
def test_optional_values_of_a_wrong_kind_are_refused_with_their_line(read, change, words):
    line = {"text": "Anna lives in Oslo", "span": "Oslo", "kind": "updated"}
    with pytest.raises(TglError, match=f"record 2: {words}"):
        read(line, line | change)


def test_json_that_nothing_can_be_done_with_is_refused_with_its_line(tmp_path):
    path = tmp_path / "p.jsonl"
    for text in ("[" * 5000, '{"a": ' * 5000, '{"text": "\\ud800"}', '{"span_start": ' + "1" * 5000 + "}"):
        for lines in (text, json.dumps(LINE) + "\n" + text):
            path.write_text(lines)
            with pytest.raises(TglError, match=r"p\.jsonl(, line \d)?: not JSON"):
                read_probes(path)


def test_flags_are_no_offsets(read):
    with pytest.raises(TglError, match=r"record 1: .*found False and True"):
        read({"text": "Anna", "kind": "updated", "span_start": False, "span_end": True})
