import json

import pytest

from tgl.core.errors import TglError
from tgl.core.tables.write import to_arrow
from tgl.probes.sets.ecbd import ecbd_probes
from tgl.probes.settings import ProbesConfig
from tgl.text.documents import part_of

REASONS = ("used", "page_in_base_text", "no_single_mask", "empty_span", "no_left_context", "seen_before")
PERIOD = "20210101"


def original(sentence="GPT-2 has <extra_id_0>, and more.", answer="1.5 billion", ex_id="GPT-2_66045029_4_0"):
    return {
        "ex_id": ex_id,
        "masked_sentence": sentence,
        "answer_str": f"<extra_id_0> {answer} <extra_id_1>",
        "entity_span_str": "GPT-2",
    }


def copied(*probes, ex_id="Some Entity_64645687_6_3"):
    sentences = {
        f"template_{number}": {"probe_sentence": sentence, "label": f"<extra_id_0> {answer} <extra_id_1>"}
        for number, (sentence, answer) in enumerate(probes)
    }
    return {"ex_id": ex_id, "ent_str": "Some Entity", "probe_sentences": sentences}


@pytest.fixture
def probe(tmp_path):
    """Return a function from records to (rows, counts), whose counts are checked to add up."""

    def run(*records, base=()):
        (tmp_path / "e.json").write_text("\n".join(map(json.dumps, records)))
        rows, counts = ecbd_probes([tmp_path / "e.json"], PERIOD, frozenset(base), settings=ProbesConfig())
        assert counts["sentences"] == sum(counts[reason] for reason in REASONS)
        assert counts["used"] == len(rows) == len({row["id"] for row in rows})
        to_arrow(rows, "probes")
        return rows, counts

    return run


def span(row):
    return row["text"][row["span_start"] : row["span_end"]]


def test_original_layout(probe):
    (row,), _ = probe(original())
    assert row["text"] == "GPT-2 has 1.5 billion, and more."
    assert span(row) == "1.5 billion"
    assert (row["kind"], row["period"], row["subject"], row["set"]) == ("new_entity", PERIOD, "GPT-2", "ecbd")


def test_copied_layout_gives_each_of_its_sentences(probe):
    rows, _ = probe(copied(("It is <extra_id_0>.", "a band"), ("It has <extra_id_0> members.", "six")))
    assert [row["text"] for row in rows] == ["It is a band.", "It has six members."]
    assert {row["subject"] for row in rows} == {"Some Entity"}
    assert len({row["split"] for row in rows}) == 1


@pytest.mark.parametrize(
    ("sentence", "answer", "text"),
    [
        ("It has<extra_id_0> members.", "six", "It has six members."),  # a copy lost the space
        ("The group (NFAC<extra_id_0> grew.", ") is old and", "The group (NFAC) is old and grew."),
        ("It is (<extra_id_0>).", "big", "It is (big)."),
        ("It grew to <extra_id_0>", "six", "It grew to six"),  # no right context
        ("Winds of <extra_id_0>mph at noon.", "60", "Winds of 60 mph at noon."),
        ("Winds of<extra_id_0>mph at noon.", "60", "Winds of 60 mph at noon."),
        ("In July<extra_id_0>3 it was hot.", "on July", "In July on July 3 it was hot."),
        ("The gene of <extra_id_0>CoV-2 is long.", "SARS-", "The gene of SARS-CoV-2 is long."),
        ("They spent <extra_id_0>5 billion.", "$", "They spent $5 billion."),
        ("It is <extra_id_0>% of all.", "4", "It is 4% of all."),
        ("It is <extra_id_0>-old.", "a year", "It is a year-old."),
        ("In 2019,<extra_id_0> won the cup.", "the team", "In 2019, the team won the cup."),
        ("He paid<extra_id_0> for it.", "$5 million", "He paid $5 million for it."),
        ("He said: “it”<extra_id_0> done.", "was", "He said: “it” was done."),
        ("The rate is 3.<extra_id_0> now.", "5", "The rate is 3.5 now."),
        ("It has 1,<extra_id_0> members.", "000", "It has 1,000 members."),
        ("It began at 12:<extra_id_0> there.", "30", "It began at 12:30 there."),
        ("It cost US<extra_id_0> then.", "$5 million", "It cost US$5 million then."),
        ("The team<extra_id_0> won.", "(s)", "The team(s) won."),
        ("He uses ASP.<extra_id_0> now.", "NET", "He uses ASP.NET now."),
        ("See example.<extra_id_0> for more.", "com", "See example.com for more."),
    ],
)
def test_space_beside_the_span_is_put_back_where_it_was_lost(probe, sentence, answer, text):
    (row,), _ = probe(original(sentence, answer))
    assert (row["text"], span(row)) == (text, answer)


@pytest.mark.parametrize(
    ("record", "base", "reason"),
    [
        (original(), {66045029}, "page_in_base_text"),
        (original("It is big."), (), "no_single_mask"),
        (original("<extra_id_0> and <extra_id_0>"), (), "no_single_mask"),
        (original() | {"answer_str": "six"}, (), "no_single_mask"),
        (original(answer=" "), (), "empty_span"),
        (original("<extra_id_0> is big."), (), "no_left_context"),
        (original("  <extra_id_0> is big."), (), "no_left_context"),
    ],
)
def test_sentence_that_cannot_be_used_is_counted_under_its_reason(probe, record, base, reason):
    rows, counts = probe(record, base=base)
    assert rows == []
    assert counts[reason] == 1


def test_a_page_that_is_held_out_of_the_text_gives_no_probe(tmp_path):
    records = [original(ex_id=f"GPT-2_{number}_4_0") for number in range(200)]
    (tmp_path / "e.json").write_text("\n".join(map(json.dumps, records)))
    rows, counts = ecbd_probes(
        [tmp_path / "e.json"], PERIOD, frozenset(), settings=ProbesConfig(), holdout_share=0.3
    )
    held_out = {number for number in range(200) if part_of(number, 0.3) == "held_out"}
    assert counts["held_out_page"] == len(held_out) > 30
    assert len(rows) == 200 - len(held_out)


def test_sentence_met_in_two_files_is_used_once(probe):
    rows, counts = probe(original(), original(), original(ex_id="GPT-2_66045029_4_1"))
    assert len(rows) == 2
    assert counts["seen_before"] == 1


@pytest.mark.parametrize("missing", ["answer_str", "entity_span_str", "ex_id"])
def test_missing_key_is_an_error_with_file_and_record(probe, missing):
    broken = original()
    del broken[missing]
    with pytest.raises(TglError, match=r"e\.json, record 2: .*answer_str"):
        probe(original(), broken)


def test_record_of_neither_layout_is_an_error(probe):
    with pytest.raises(TglError, match=r"e\.json, record 1: .*found the keys \['a', 'ex_id'\]"):
        probe({"ex_id": "a", "a": 1})


def test_one_json_object_over_several_lines_is_read(tmp_path):
    (tmp_path / "e.json").write_text(json.dumps(original(), indent=1))
    rows, _ = ecbd_probes([tmp_path / "e.json"], PERIOD, frozenset(), settings=ProbesConfig())
    assert len(rows) == 1


REAL = {
    "all_ent_2020_2021_np_500samples.json": 500,
    "all_ent_2020_2021_random_500samples.json": 500,
    "specificity_popular_20np_20random.json": 40,
    "original_format_readme_example.jsonl": 1,
}


@pytest.mark.parametrize("name", REAL)
def test_real_ecbd_files_are_used_but_for_counted_sentences(data_root, name):
    rows, counts = ecbd_probes(
        [data_root / "probes/ecbd" / name], PERIOD, frozenset(), settings=ProbesConfig()
    )
    assert counts["sentences"] == sum(counts[reason] for reason in REASONS) >= REAL[name]
    assert counts["used"] == len(rows) >= 0.9 * REAL[name]
    to_arrow(rows, "probes")
    for row in rows:
        assert "<extra_id" not in row["text"]
        assert span(row) == span(row).strip() != ""
        left = row["text"][: row["span_start"]]
        assert left.strip()
        assert not (left[-1].isalnum() and span(row)[0].isalnum())


@pytest.mark.parametrize(
    "change",
    [
        {"ex_id": 5},
        {"masked_sentence": ["It is <extra_id_0>."]},
        {"answer_str": None},
        {"entity_span_str": 3},
        {"masked_sentence": "\ud800 <extra_id_0>"},
    ],
)
def test_values_of_a_wrong_kind_are_refused_with_file_and_record(probe, change):
    with pytest.raises(TglError, match=r"e\.json, (record|line) 2"):
        probe(original(), original() | change)
    with pytest.raises(TglError, match=r"e\.json, record 1"):
        probe(copied(("It is <extra_id_0>.", "a band")) | {"ent_str": []})


def test_an_answer_of_blanks_without_its_end_takes_no_time(probe):
    answer = "<extra_id_0>" + " " * 50_000 + "x"
    _, counts = probe(original() | {"answer_str": answer})
    assert counts["no_single_mask"] == 1


def test_a_page_id_that_is_no_number_of_a_page_is_of_no_page(probe):
    rows, _ = probe(original(ex_id="GPT-2_" + "1" * 5000 + "_4_0"), base=[1])
    assert len(rows) == 1
