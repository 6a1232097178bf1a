import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.model_fixtures import BLOCK, probe, some_probes, some_tokens, tiny_tokenizer
from tgl.errors import TglError
from tgl.evaluate.spans import SpanTokens, span_tokens
from tgl.profiling.groups import choose, matched_spans, salient_examples, shuffled_answers, windows

quick = settings(deadline=None, max_examples=50)


def identities(probes):
    return [row["id"] for row in probes]


def answer(row):
    return row["text"][row["span_start"] : row["span_end"]]


def test_only_validation_probes_of_the_kind_and_period_are_chosen():
    found = choose(some_probes(), "updated", "20200101", 99, 0)
    assert sorted(identities(found)) == [f"20200101-updated-validation-{number}" for number in range(3)]
    assert choose(some_probes(), "new", "20200101", 99, 0) == []


@quick
@given(st.integers(0, 10**6), st.integers(1, 30), st.randoms(use_true_random=False))
def test_the_choice_is_distinct_at_most_so_many_and_independent_of_the_order_of_rows(seed, most, shuffler):
    rows = [probe(f"p{number}", "Anna lives in Oslo", "Oslo", split="validation") for number in range(20)]
    found = identities(choose(rows, "updated", "20200101", most, seed))
    assert len(found) == len(set(found)) == min(most, 20)
    shuffler.shuffle(rows)
    assert identities(choose(rows, "updated", "20200101", most, seed)) == found


def test_the_choice_follows_the_seed():
    rows = [probe(f"p{number:02d}", "Anna lives in Oslo", "Oslo", split="validation") for number in range(40)]
    assert len({tuple(identities(choose(rows, "updated", "20200101", 9, seed))) for seed in range(4)}) == 4


def test_salient_examples_are_the_spans_tokens():
    rows = some_probes()[:2]
    assert salient_examples(rows, tiny_tokenizer(), BLOCK) == [
        span_tokens(tiny_tokenizer(), row["text"], row["span_start"], row["span_end"], BLOCK) for row in rows
    ]


def test_a_probe_whose_span_cannot_be_tokenised_is_named():
    rows = [
        probe("good", "Anna lives in Oslo", "Oslo"),
        probe("bad", "Anna lives in Oslo", "Oslo", span_end=99),
    ]
    with pytest.raises(TglError, match=r"probe 'bad': span \[14, 99\)"):
        salient_examples(rows, tiny_tokenizer(), BLOCK)


@quick
@given(st.integers(0, 10**6))
def test_a_shuffled_answer_is_wrong_of_the_same_relation_and_nothing_else_changes(seed):
    rows = [
        probe("a1", "Anna lives in Oslo now", "Oslo", answer_group="anna", candidates=[]),
        probe("a2", "Anna lives in Paris now", "Paris", answer_group="anna", candidates=[]),
        probe("b", "Eva lives in Lisbon now", "Lisbon", candidates=["Rome"]),
        probe("c", "Eva works for Acme now", "Acme", relation="firm", candidates=["Globex"]),
    ]
    right = {"anna": {"Oslo", "Paris"}, "b": {"Lisbon"}, "c": {"Acme"}}
    cities, firms = {"Oslo", "Paris", "Lisbon", "Rome"}, {"Acme", "Globex"}
    found = shuffled_answers(rows, rows, seed)
    assert identities(found) == identities(rows)
    for old, new in zip(rows, found, strict=True):
        assert answer(new) in (firms if old["relation"] == "firm" else cities) - right[old["answer_group"]]
        assert new["text"][: new["span_start"]] == old["text"][: old["span_start"]]
        assert new["text"][new["span_end"] :] == " now"


def test_shuffling_follows_the_seed_and_leaves_its_input_alone():
    rows = some_probes()
    before = [dict(row) for row in rows]
    texts = {tuple(row["text"] for row in shuffled_answers(rows, rows, seed)) for seed in range(3)}
    assert len(texts) == 3
    assert rows == before


def test_a_probe_whose_relation_has_no_other_answer_is_left_out():
    rows = [
        probe("a", "Anna lives in Oslo", "Oslo", candidates=["Oslo"], relation="only"),
        *some_probes()[:2],
    ]
    assert identities(shuffled_answers(rows, rows, 0)) == identities(rows[1:])


@quick
@given(st.integers(2, 80), st.integers(2, 40), st.integers(0, 10**6))
def test_windows_are_stretches_of_the_text_with_all_but_the_first_token_as_targets(count, block_size, seed):
    stream = np.arange(count, dtype=np.int32)  # a token is its own position
    for window in windows(stream, block_size, 5, seed):
        assert window.ids == list(range(window.ids[0], window.ids[0] + min(block_size, count)))
        assert window.num_targets == len(window.ids) - 1


def test_windows_reach_the_beginning_and_the_end_of_the_text():
    starts = {window.ids[0] for window in windows(np.arange(12, dtype=np.int32), 10, 200, 0)}
    assert starts == {0, 1, 2}


def test_a_text_too_short_for_a_window_is_refused():
    with pytest.raises(TglError, match="1 tokens, too few"):
        windows(some_tokens(1), BLOCK, 4, 0)


@quick
@given(
    st.lists(st.tuples(st.integers(2, 30), st.integers(1, 29)), min_size=1, max_size=5), st.integers(0, 10**6)
)
def test_matched_spans_have_the_context_and_targets_of_the_spans_they_match(shapes, seed):
    like = [SpanTokens([0] * length, min(first, length - 1)) for length, first in shapes]
    found = matched_spans(np.arange(100, dtype=np.int32), like, 12, seed)
    assert len(found) == 12
    for number, span in enumerate(found):
        model = like[number % len(like)]
        assert (len(span.ids), span.first) == (len(model.ids), model.first)
        assert span.ids == list(range(span.ids[0], span.ids[0] + len(span.ids)))


def test_windows_and_matched_spans_follow_the_seed():
    stream, like = some_tokens(500), [SpanTokens([0] * 9, 6)]
    assert windows(stream, 8, 9, 0) == windows(stream, 8, 9, 0) != windows(stream, 8, 9, 1)
    assert (
        matched_spans(stream, like, 9, 0)
        == matched_spans(stream, like, 9, 0)
        != matched_spans(stream, like, 9, 1)
    )
