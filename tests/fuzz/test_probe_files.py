"""Probe files of all layouts with wrong types, missing keys, huge numbers and odd characters."""

from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.cases import cases, changed, json_files, json_values, refused_or
from tgl.core.tables.write import to_arrow
from tgl.probes.given import read_probes
from tgl.probes.sets.ecbd import ecbd_probes
from tgl.probes.sets.templama import templama_probes
from tgl.probes.settings import ProbesConfig

SETTINGS = ProbesConfig()
PAIRS = {"20200101": ["2019", "2020"]}
TEMPLAMA = [
    {"query": "Anna plays for _X_.", "answer": [{"wikidata_id": "Q1", "name": "Oslo F.C."}], "date": "2019",
     "id": "Q9_P54_2019", "most_frequent_answer": {"name": "Oslo"}, "relation": "P54"},
    {"query": "_X_ is the chair of Oslo.", "answer": {"name": "Anna"}, "date": "2020"},
]  # fmt: skip
ECBD = [
    {"ex_id": "a_12_3_4", "entity_span_str": "Oslo", "masked_sentence": "Oslo is <extra_id_0> .",
     "answer_str": "<extra_id_0> large <extra_id_1>"},
    {"ex_id": "b_12_3_4", "ent_str": "Oslo", "probe_sentences": {
        "template_0": {"probe_sentence": "In Oslo is<extra_id_0>", "label": "<extra_id_0> it <extra_id_1>"}}},
]  # fmt: skip
GIVEN = [
    {"text": "Anna lives in Oslo.", "span": "Oslo", "kind": "updated"},
    {"id": "x", "set": "mine", "kind": "new_entity", "period": "2020", "relation": "city", "subject": "Anna",
     "text": "Anna lives in Oslo", "span_start": 14, "span_end": 18, "answer_group": "g", "split": "test",
     "candidates": ["Oslo", "Rome"]},
]  # fmt: skip


def files_of(records):
    """Return files of records like these: most changed a little, some another JSON value."""
    like = st.sampled_from(records).flatmap(changed)
    return json_files(st.one_of(like, like, like, st.sampled_from(records), json_values))


def read(folder, file, call, rows_of):
    """Read a file, or see it refused; the rows must be fit to be stored and their spans what they say."""
    suffix, content = file
    path = folder / f"p{suffix}"
    path.write_bytes(content)
    found = refused_or(lambda: call(path), path)
    if found is None:
        return None
    rows = to_arrow(rows_of(found), "probes").to_pylist()
    for row in rows:
        assert 0 <= row["span_start"] < row["span_end"] <= len(row["text"])
        assert row["id"]
        assert row["split"] in ("train", "validation", "test")
    return found


@cases(0.07)
@given(files_of(TEMPLAMA))
def test_templama_files_give_probes_or_an_error_with_their_name(folder, file):
    found = read(folder, file, lambda path: templama_probes(path, PAIRS, SETTINGS), lambda found: found[0])
    if found is not None:
        counts = found[1]
        reasons = ("used", "other_date", "answer_not_last", "empty_answer")
        assert counts["records"] == sum(counts[reason] for reason in reasons)


@cases(0.07)
@given(files_of(ECBD))
def test_ecbd_files_give_probes_or_an_error_with_their_name(folder, file):
    found = read(
        folder,
        file,
        lambda path: ecbd_probes([path], "20200101", {3}, settings=SETTINGS),
        lambda found: found[0],
    )
    if found is not None:
        assert found[1]["used"] == len(found[0]) <= found[1]["sentences"]


@cases(0.04)
@given(files_of(GIVEN))
def test_probes_written_by_hand_are_read_or_refused_with_their_file(folder, file):
    read(folder, file, read_probes, lambda rows: rows)
