from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tgl.probes.fill import answer_of, with_candidates, with_common_relations


def row(number, answer, *, relation="capital", old="", given=(), group=None):
    return {
        "id": f"p{number}", "set": "mine", "period": "2020", "relation": relation, "text": f"N{number:03} is {answer}.",
        "span_start": 8, "span_end": 8 + len(answer), "answer_group": group or f"p{number}", "candidates": list(given),
        "old_answer": old,
    }  # fmt: skip


ANSWERS = st.text("abc", min_size=1, max_size=3)
ROWS = st.lists(st.tuples(ANSWERS, st.sampled_from(["r", "s"]), st.sampled_from(["", "zz"])), max_size=12)


@given(ROWS, st.integers(0, 6))
def test_candidates_are_the_answer_the_old_one_and_others_of_the_relation(rows, most):
    before = [row(n, answer, relation=relation, old=old) for n, (answer, relation, old) in enumerate(rows)]
    answers = {name: {answer for answer, relation, _ in rows if relation == name} for name in ("r", "s")}
    for one in with_candidates(before, most):
        found = one["candidates"]
        assert found == sorted(set(found))
        if not found:
            others = answers[one["relation"]] - {answer_of(one)}
            assert most < 2 or not (others or one["old_answer"])
            continue
        assert {answer_of(one), *filter(None, [one["old_answer"]])} <= set(found)
        assert set(found) <= answers[one["relation"]] | {"zz"}
        assert len(found) <= max(most, 2)


def test_other_right_answers_are_left_out_and_given_candidates_stay():
    rows = [row(1, "a", group="q"), row(2, "b", group="q"), row(3, "c"), row(4, "d", given=["d", "x"])]
    found = {one["id"]: one["candidates"] for one in with_candidates(rows, 10)}
    assert found == {
        "p1": ["a", "c", "d"],
        "p2": ["b", "c", "d"],
        "p3": ["a", "b", "c", "d"],
        "p4": ["d", "x"],
    }


def test_other_answers_to_the_same_words_and_other_spellings_are_no_candidates():
    rows = [row(1, "La Paz"), row(2, "Sucre"), row(3, "Lima"), row(4, "lima")]
    rows[1] |= {"text": "N001 is Sucre.", "span_end": 13}  # the words of the first probe
    found = {one["id"]: one["candidates"] for one in with_candidates(rows, 10)}
    assert found["p1"] == ["La Paz", "Lima"]
    assert found["p3"] == ["La Paz", "Lima", "Sucre"]


def test_the_same_rows_get_the_same_candidates_wherever_they_are():
    rows = [row(n, f"a{n}") for n in range(40)]
    found = {one["id"]: one["candidates"] for one in with_candidates(rows, 5)}
    assert found == {one["id"]: one["candidates"] for one in with_candidates(rows[::-1], 5)}
    assert len({tuple(candidates) for candidates in found.values()}) > 30


def test_rare_relations_lose_their_words():
    rows = [row(n, "a", relation="number: population") for n in range(6)]
    rows += [row(n, "a", relation="number: moons") for n in range(6, 11)] + [row(11, "a", relation="phrase")]
    found = Counter(one["relation"] for one in with_common_relations(rows))
    assert found == {"number: population": 6, "number": 5, "phrase": 1}
