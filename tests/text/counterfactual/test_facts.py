import json

import pytest

from tests.support.paths import REPOSITORY
from tgl.core.errors import TglError
from tgl.text.counterfactual.facts import Fact, read_facts, read_wordings

FACT = {"relation": "capital", "subject": "France", "answer": "Paris"}


def written(path, *rows):
    path.write_text("".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows))
    return path


def test_facts_are_read_with_their_ranks(tmp_path):
    path = written(tmp_path / "f.jsonl", FACT, FACT | {"subject": "Peru", "answer": "Lima", "ranks": [1, 3]})
    assert read_facts(path) == [
        Fact("capital", "France", "Paris"),
        Fact("capital", "Peru", "Lima", (1, 3)),
    ]


def test_a_fact_is_known_if_every_rank_is_one():
    assert Fact("r", "s", "a", (1, 1)).known
    assert not Fact("r", "s", "a", (1, 2)).known
    assert not Fact("r", "s", "a").known


@pytest.mark.parametrize(
    "row",
    [
        "no json\n",
        "[1]\n",
        {"relation": "capital", "subject": "France"},
        FACT | {"answer": 3},
        FACT | {"answer": ""},
        FACT | {"answer": "Paris "},
        FACT | {"ranks": [0]},
        FACT | {"ranks": "1"},
    ],
)
def test_a_line_that_is_no_fact_is_refused(tmp_path, row):
    path = written(tmp_path / "f.jsonl", FACT, row)
    with pytest.raises(TglError, match=r"f\.jsonl, line 2: found .*expected a JSON object"):
        read_facts(path)


def test_a_fact_given_twice_and_an_empty_file_are_refused(tmp_path):
    with pytest.raises(TglError, match="line 2: the fact capital / France / Paris is given a second time"):
        read_facts(written(tmp_path / "f.jsonl", FACT, FACT))
    with pytest.raises(TglError, match="found no line"):
        read_facts(written(tmp_path / "f.jsonl"))


GOOD = {"train": ["{S} lies at {O}."], "test": ["The place of {S} is {O}."]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": []}, "expected a list of sentences"),
        ({"train": ["{O} is of {S}."]}, "expected a sentence with"),
        ({"train": ["{S} is {O} of old."]}, "expected a sentence with"),
        ({"train": ["{S} is there."]}, "expected a sentence with"),
        ({"train": ["The place of {S} is {O}."]}, "in train and in test"),
        ({"other": []}, "expected an object with the lists"),
    ],
)
def test_wordings_that_cannot_be_used_are_refused(tmp_path, changes, message):
    path = written(tmp_path / "w.json", {"place": GOOD | changes})
    with pytest.raises(TglError, match=message):
        read_wordings(path, {"place"})


def test_every_relation_needs_wordings(tmp_path):
    path = written(tmp_path / "w.json", {"place": GOOD})
    assert read_wordings(path, {"place"})["place"].test == ("The place of {S} is {O}.",)
    with pytest.raises(TglError, match="no wordings of capital"):
        read_wordings(path, {"place", "capital"})


def test_the_shipped_wordings_can_be_used():
    path = REPOSITORY / "examples/pretrained/wordings.json"
    names = set(json.loads(path.read_text()))
    found = read_wordings(path, names)
    assert len(names) == 8
    for wordings in found.values():
        assert len(wordings.train) == 4
        assert len(wordings.test) == 2
