import json
import unicodedata

import pytest

from tgl.core.errors import TglError
from tgl.core.tables.write import to_arrow
from tgl.probes.probe_set import PROBE_SETS
from tgl.probes.rows import split_of
from tgl.probes.sets.json_lines import json_lines_probes, pairs_of
from tgl.probes.settings import JsonLinesConfig, ProbesConfig
from tgl.snapshots.documents.document import page_id
from tgl.text.documents import part_of

DATES = ["20190101", "20200101", "20210101"]


@pytest.fixture
def probes(tmp_path):
    def run(rows, dates=DATES, *, check=False, **settings):
        file = tmp_path / "mine.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        own = JsonLinesConfig(file=str(file), **settings)
        section = ProbesConfig(sets=["json_lines"], json_lines=own, validation_share=0.5)
        if check:
            return PROBE_SETS.get("json_lines").check(own, dates, section)
        found, counts = json_lines_probes(own, dates, section)
        assert to_arrow(found, "probes").num_rows == len(found)
        return {row["id"]: row for row in found}, counts

    return run


def sentence(number, **more):
    return {"text": f"S{number} has {number} cats.", "span": str(number), "kind": "updated", "period": "20200101",
            "id": number, "subject": f"S{number}", "relation": "cats"} | more  # fmt: skip


def test_sentences_get_a_set_a_split_and_candidates(probes):
    found, counts = probes([sentence(n, old_answer="old") for n in range(40)], candidates=4)
    assert set(found) == {f"json_lines-{n}" for n in range(40)}
    assert {row["split"] for row in found.values()} >= {"validation", "test"}
    assert all({str(n), "old"} < set(found[f"json_lines-{n}"]["candidates"]) for n in range(40))
    assert {len(row["candidates"]) for row in found.values()} == {4}
    assert counts == {"records": 40, "updated_probes": 40, "with_old_answer": 40, "held_out_documents": 0}


def test_all_probes_of_a_subject_have_one_split_and_a_given_one_stays(probes):
    rows = [sentence(n, subject=f"S{n // 4}") for n in range(80)] + [sentence(99, split="train")]
    found, _ = probes(rows)
    splits = {(row["subject"], row["split"]) for row in found.values()}
    assert len(splits) == len({row["subject"] for row in found.values()})
    assert found["json_lines-99"]["split"] == "train"


def test_a_stated_split_holds_for_the_subject_and_two_are_refused(probes):
    chile = [sentence(n, subject="Chile", **({"split": "test"} if n == 2 else {})) for n in range(5)]
    found, _ = probes(chile)
    assert {row["split"] for row in found.values()} == {"test"}
    with pytest.raises(
        TglError, match="found the split 'train', and 'test' for another probe of the subject 'Chile'"
    ):
        probes([*chile, sentence(9, subject="Chile", split="train")])


def test_spellings_of_a_subject_in_unicode_have_one_split():
    for number in range(50):
        forms = [unicodedata.normalize(form, f"São Tomé {number}") for form in ("NFC", "NFD")]
        assert len({split_of(form, ProbesConfig()) for form in forms}) == 1


def test_probes_without_a_relation_are_counted(probes):
    _, counts = probes([sentence(n, relation="") for n in range(3)])
    assert counts["without_relation"] == 3


def test_an_old_answer_that_is_the_answer_is_refused(probes):
    with pytest.raises(TglError, match="the old answer '7 ' is the answer"):
        probes([sentence(7, old_answer="7 ")])


def test_probes_of_held_out_documents_are_left_out_and_counted(tmp_path):
    rows = [sentence(n, document=f"doc{n}") for n in range(200)] + [sentence(200)]
    file = tmp_path / "mine.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found, counts = json_lines_probes(
        JsonLinesConfig(file=str(file)), DATES, ProbesConfig(), holdout_share=0.3
    )
    asked = {row["id"] for row in found}
    kept = {n for n in range(200) if part_of(page_id(f"doc{n}"), 0.3) == "train"}
    assert asked == {f"json_lines-{n}" for n in (*kept, 200)}
    assert counts["held_out_documents"] == 200 - len(kept) > 0


def test_the_only_period_need_not_be_given(probes):
    rows = [{key: value for key, value in sentence(1).items() if key != "period"}]
    found, _ = probes(rows, dates=DATES[:2])
    assert found["json_lines-1"]["period"] == "20200101"
    with pytest.raises(TglError, match=r"probe '1': found the period '', expected one of 20200101, 20210101"):
        probes(rows)


def test_queries_are_compared_by_date_as_in_templama(probes):
    def query(subject, answer, date):
        return {"query": f"The capital of {subject} is _X_.", "answer": {"name": answer}, "date": date}

    found, counts = probes([
        query("A", "X", "2019"), query("A", "Y", "2020"), query("A", "Y", "2021"), query("B", "Z", "2021"),
    ])  # fmt: skip
    assert {(row["period"], row["kind"], row["old_answer"]) for row in found.values()} == {
        ("20200101", "updated", "X"), ("20210101", "unchanged", ""), ("20210101", "new", ""),
    }  # fmt: skip
    assert {row["set"] for row in found.values()} == {"json_lines"}
    assert counts["with_old_answer"] == 1


def test_the_ways_to_write_a_date():
    dates = ["20200101", "20200401", "20210301"]
    assert pairs_of("f", ["2020-01-01", "2020-Q2", "March 1, 2021", "1999"], dates) == {
        "20200401": ["2020-01-01", "2020-Q2"], "20210301": ["2020-Q2", "March 1, 2021"],
    }  # fmt: skip
    with pytest.raises(TglError, match=r"found no record for the date 20200101; .*; found 2020, 20200401"):
        pairs_of("f", ["2020", "20200401", "20210301"], dates)
    with pytest.raises(TglError, match=r"found 2021 and 20210301 for the date 20210301"):
        pairs_of("f", ["20200101", "20200401", "2021", "20210301"], dates)


def test_both_forms_in_one_file_are_refused(probes):
    with pytest.raises(TglError, match=r"found 1 queries and 1 sentences, expected one of the two forms"):
        probes([sentence(1), {"query": "a _X_", "answer": {"name": "b"}, "date": "2020"}])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [sentence(n, split="test") for n in range(9)],
            r"no probe has the split validation .*expected some of each",
        ),
        ([sentence(n, kind="unchanged") for n in range(40)], r"no probe has the kind 'updated'"),
        ([sentence(1, kind="mine")], r"'kind' must be one of"),
    ],
)
def test_files_that_no_run_could_use_are_refused_beforehand(probes, rows, message):
    with pytest.raises(TglError, match=message):
        probes(rows, check=True)


def test_a_good_file_passes_the_check(probes):
    probes([sentence(n) for n in range(40)], check=True)
