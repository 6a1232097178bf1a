"""Answers are the same by id, else by normal form, never by spelling."""

import json

import pytest

from tests.probes.sets.templama_records import PAIRS, spans
from tgl.core.errors import TglError
from tgl.probes.sets.templama import templama_probes
from tgl.probes.settings import ProbesConfig


@pytest.fixture
def probe(tmp_path):
    def run(earlier, later):
        records = [
            {"query": "Ann Ray plays for _X_.", "answer": answer, "date": date, "id": f"Q1_P54_{date}"}
            for date, answer in (("2019", earlier), ("2020", later))
        ]
        (tmp_path / "t.json").write_text(json.dumps(records))
        return templama_probes(tmp_path / "t.json", PAIRS, ProbesConfig())

    return run


def test_an_answer_with_another_id_and_the_same_name_gives_no_probe(probe):
    """Its text would stay the same, with the answer as the old answer."""
    rows, counts = probe(named("Racers", "Q9"), named("Racers", "Q10"))
    assert rows == []
    assert counts["same_name_other_id"] == 1
    assert not counts["replaced_answers"]


def test_a_name_that_is_still_right_is_no_old_answer(probe):
    rows, counts = probe(named("Racers", "Q9"), [named("Racers", "Q10"), named("Rovers", "Q11")])
    assert [(row["kind"], row["old_answer"]) for row in rows] == [("updated", "")]
    assert counts["same_name_other_id"] == 1


def test_ids_of_any_form_tell_records_of_one_question_apart(tmp_path):
    employers = {"person1": ("Acme", "Beta"), "person2": ("Beta", "Acme")}
    records = [
        {"query": "Jo Ray works for _X_.", "answer": [{"name": name}], "date": date, "id": f"{person}-{date}"}
        for person, names in employers.items()
        for date, name in zip(("2019", "2020"), names, strict=True)
    ]
    (tmp_path / "t.json").write_text(json.dumps(records))
    rows, counts = templama_probes(tmp_path / "t.json", PAIRS, ProbesConfig())
    assert [(row["kind"], row["old_answer"]) for row in rows] == [("updated", "Acme"), ("updated", "Beta")]
    assert not counts["other_ids"]
    for record in records:
        record["id"] = record["id"].replace("-", "/x")
    (tmp_path / "t.json").write_text(json.dumps(records))
    assert templama_probes(tmp_path / "t.json", PAIRS, ProbesConfig())[1]["other_ids"] == 4


def named(name, identity=None):
    return {"name": name} | ({"wikidata_id": identity} if identity is not None else {})


@pytest.mark.parametrize(
    ("earlier", "later", "kind"),
    [
        (named("Café Racers", "Q9"), named("Cafe\u0301 Racers", "Q9"), "unchanged"),
        (named("Twitter", "Q9"), named("X", "Q9"), "unchanged"),
        (named("Café Racers"), named("Cafe\u0301  Racers"), "unchanged"),
        (named("O’Hara FC"), named("O'Hara\u00a0FC"), "unchanged"),
        (named("Racers", "Q9"), named("Racers"), "unchanged"),
        (named("Racers", ""), named("Racers", "Q9"), "unchanged"),
        (named("Racers"), named("racers"), "updated"),
        (named("Racers", "Q9"), named("Rovers"), "updated"),
    ],
)
def test_answers_are_compared_by_id_else_by_normal_form(probe, earlier, later, kind):
    rows, counts = probe(earlier, later)
    assert spans(rows) == [(kind, later["name"])]
    assert counts["replaced_answers"] == (kind == "updated")


def test_an_answer_under_two_names_is_one_probe_and_the_other_name_is_counted(probe):
    rows, counts = probe(
        [named("A", "Q1")], [named("B", "Q2"), named("Bee", "Q2"), named("B", "Q3"), named("A")]
    )
    assert spans(rows) == [("updated", "B"), ("unchanged", "A")]
    assert counts["other_names"] == 1


def test_queries_without_ids_are_the_same_by_normal_form(tmp_path):
    records = [
        {"query": query, "answer": [named("Rovers")], "date": date, "relation": "P54"}
        for query, date in (("José plays for _X_.", "2019"), ("Jose\u0301 plays  for _X_.", "2020"))
    ]
    (tmp_path / "t.json").write_text(json.dumps(records))
    rows, _ = templama_probes(tmp_path / "t.json", PAIRS, ProbesConfig())
    assert spans(rows) == [("unchanged", "Rovers")]


@pytest.mark.parametrize("identity", [9, ["Q9"], {"id": "Q9"}])
def test_id_that_is_no_text_is_an_error(probe, identity):
    with pytest.raises(TglError, match=r"t\.json, record 1"):
        probe(named("A", identity), named("A"))
