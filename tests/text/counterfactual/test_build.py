import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tgl.core.errors import TglError
from tgl.snapshots.documents.document import Document
from tgl.snapshots.settings import CounterfactualConfig
from tgl.text.counterfactual.build import (
    FAR,
    NEAR,
    chosen_pages,
    partition,
    probes,
    statements,
    with_statements,
)
from tgl.text.counterfactual.facts import Fact, Wordings

RELATIONS = ("capital", "language", "continent", "symbol")
FACTS = [
    Fact(relation, f"{relation} subject {number}", f"{relation} answer {number % 7}", (1, 1))
    for relation in RELATIONS
    for number in range(30)
]
WORDINGS = {
    relation: Wordings(tuple(f"T{n} {{S}} is {{O}}." for n in range(4)), ("A {S} is {O}.", "B {S} is {O}."))
    for relation in RELATIONS
}


def drawn(number=0, facts=FACTS, **changes):
    sizes = {"updated": 20, "unchanged": 20, "far": 30, "new_entities": 5, "exposures": 6} | changes
    return partition(facts, CounterfactualConfig(partition=number, **sizes))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000))
def test_a_partition_divides_the_facts(number):
    found = drawn(number)
    assert [len(group) for group in (found.updated, found.near, found.far, found.new)] == [20, 20, 30, 5]
    changing = {fact.relation for fact in (*found.updated, *found.near, *found.new)}
    assert changing.isdisjoint({fact.relation for fact in found.far})
    subjects = [fact.subject for fact in (*found.updated, *found.near, *found.far, *found.new)]
    assert len(set(subjects)) == len(subjects)
    assert set(found.near) | set(found.far) <= set(FACTS)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000))
def test_an_update_is_another_answer_of_its_relation(number):
    true = {(fact.relation, fact.subject): fact.answer for fact in FACTS}
    for fact in drawn(number).updated:
        assert fact.answer != true[fact.relation, fact.subject]
        assert fact.answer in {other.answer for other in FACTS if other.relation == fact.relation}


def test_a_second_true_answer_is_no_update():
    facts = [Fact("capital", f"S{n}", f"A{m}", (1, 1)) for n in range(30) for m in (n % 3, (n + 1) % 3)]
    facts += [Fact("symbol", f"E{n}", f"X{n}", (1, 1)) for n in range(60)]
    true = {(fact.subject, fact.answer) for fact in facts}
    for number in range(20):
        found = drawn(number, facts, updated=10, unchanged=10)
        assert not true & {(fact.subject, fact.answer) for fact in found.updated}
        assert {fact.subject for fact in found.updated}.isdisjoint({fact.subject for fact in found.near})


def test_partitions_differ_and_repeat():
    assert drawn(3) == drawn(3)
    assert drawn(3) != drawn(4)


def test_too_few_facts_are_refused():
    with pytest.raises(TglError, match="expected at least 40"):
        drawn(facts=FACTS[:40])
    one_answer = [Fact("capital", f"S{n}", "A", (1, 1)) for n in range(100)]
    with pytest.raises(TglError, match="found 0 known facts"):
        drawn(facts=one_answer)


def test_each_changed_fact_is_stated_as_often_as_asked_in_every_training_wording():
    found = drawn()
    sentences = statements(found, WORDINGS, 6, seed=0)
    assert len(sentences) == 25 * 6
    for fact in (*found.updated, *found.new):
        own = [text for text in sentences if f" {fact.subject} is {fact.answer}." in text]
        assert len(own) == 6
        assert sorted(Counter(own).values()) == [1, 1, 2, 2]
    for fact in (*found.near, *found.far):
        assert not any(f" {fact.subject} is " in text for text in sentences)


def test_statements_stand_between_sentences_of_the_pages():
    texts = ["First one. Second one.\nThird one.", "Alone. With another."]
    placed = with_statements(texts, ["S1 is A.", "S2 is B.", "S3 is C."], seed=1)
    for sentence in ("S1 is A.", "S2 is B.", "S3 is C."):
        assert sum(text.count(sentence) for text in placed) == 1
    assert [re.sub(r" S\d is [ABC]\.", "", text) for text in placed] == texts
    assert with_statements(texts, [], seed=1) == texts


@pytest.mark.parametrize("seed", range(5))
def test_a_heading_gets_no_statement_behind_it(seed):
    (placed,) = with_statements(["Title\n\nOne. Two.\n- item\n"], ["S1 is A."], seed=seed)
    assert placed in ("Title\n\nOne. S1 is A. Two.\n- item\n", "Title\n\nOne. Two. S1 is A.\n- item\n")
    assert with_statements(["Title"], ["S1 is A."], seed=seed) == ["Title\nS1 is A."]


def test_pages_reach_the_number_of_characters():
    pages = [Document(str(number), "", "x" * 500) for number in range(40)]
    found = chosen_pages(pages, 10_000, seed="a")
    assert sum(len(page.text) for page in found) == 10_000
    assert chosen_pages(pages, 10_000, seed="b") != found
    with pytest.raises(TglError, match="expected at least 30,000"):
        chosen_pages(pages, 30_000, seed="a")


def test_probes_ask_in_every_test_wording():
    found = drawn()
    split = {fact.subject: "test" for fact in (*found.updated, *found.near, *found.far, *found.new)}
    rows = list(probes(found, WORDINGS, "20210901", split=split))
    assert Counter((row["set"], row["kind"]) for row in rows) == {
        (NEAR, "updated"): 40,
        (NEAR, "unchanged"): 40,
        (FAR, "unchanged"): 60,
        (NEAR, "new_entity"): 10,
    }
    assert len({row["id"] for row in rows}) == len(rows)
    stated = {(fact.subject, fact.answer) for group in (found.updated, found.near) for fact in group}
    for row in rows:
        answer = row["text"][row["span_start"] : row["span_end"]]
        assert row["text"].endswith(f"{row['subject']} is {answer}.")
        assert row["set"] == FAR or row["kind"] == "new_entity" or (row["subject"], answer) in stated


def test_a_subject_of_which_every_answer_is_true_is_left_out_and_counted():
    """Nothing else could be stated about it."""
    every = [
        Fact(relation, "Everywhere", f"{relation} answer {n}", (1, 1))
        for relation in RELATIONS
        for n in range(7)
    ]
    for number in range(20):
        found = drawn(number, facts=FACTS + every)
        assert found.without_other == 14  # of two relations that change
        assert "Everywhere" not in {fact.subject for fact in (*found.updated, *found.near)}


def test_more_new_entities_than_invented_names_are_refused():
    settings = CounterfactualConfig.model_construct(
        **{**CounterfactualConfig().__dict__, "new_entities": 3073}
    )
    with pytest.raises(TglError, match=r"3073 new entities, expected at most 3,072"):
        partition([*FACTS] * 1, settings.model_copy(update={"updated": 20, "unchanged": 20}))
    with pytest.raises(ValueError, match="less than or equal to 3072"):
        drawn(new_entities=3073)
    assert len({fact.subject for fact in drawn(new_entities=3072).new}) == 3072
