"""Probes whose answers are tokenised once and scored with several models."""

from tests.evaluate.test_score import scores_of, sharp, uniform
from tests.support.model_fixtures import BLOCK, probe, tiny_tokenizer
from tgl.core.tables.write import to_arrow
from tgl.evaluate.score import prepare_probes, score_prepared, score_probes


def test_prepared_probes_can_be_scored_with_several_models():
    rows = to_arrow([probe("p0", "Anna Berg lives in Paris.", "Paris", old_answer="Oslo")], "probes")
    prepared = prepare_probes(tiny_tokenizer(), rows, max_length=BLOCK)
    for model in (sharp(), uniform()):
        expected = list(score_probes(model, tiny_tokenizer(), rows, checkpoint="x"))
        assert list(score_prepared(model, prepared, checkpoint="x")) == expected


def test_candidates_that_occur_twice_count_once():
    row = probe("p0", "Anna Berg lives in Paris.", "Paris")
    twice = row | {"candidates": ["Paris", "Paris", "Lisbon", "Oslo", "Oslo"]}
    once, other = (scores_of(sharp(), [each])[0] for each in (row, twice))
    assert (once["rank"], once["num_candidates"]) == (other["rank"], other["num_candidates"])


def test_right_answers_among_probes_that_are_not_scored_are_no_candidates():
    rows = [
        probe(
            name,
            f"Anna Berg lives in {name}.",
            name,
            answer_group="g",
            split="test" if name == "Paris" else "train",
        )
        for name in ("Paris", "Oslo")
    ]
    every = to_arrow(rows, "probes")
    prepared = prepare_probes(tiny_tokenizer(), every[:1], max_length=BLOCK, every=every)
    (row,) = score_prepared(sharp(), prepared, checkpoint="x")
    assert row["num_candidates"] == 2  # Paris and Lisbon
