import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.model_fixtures import BLOCK, VOCABULARY, probe, some_tokens, tiny_model, tiny_tokenizer
from tgl.core.errors import TglError
from tgl.core.tables.write import to_arrow
from tgl.evaluate import score
from tgl.evaluate.score import max_length, score_probes, span_scores, text_loss
from tgl.evaluate.spans import SpanTokens, span_tokens

KINDS = ["gpt2", "gpt_neo", "gpt_neox", "llama"]


def sharp(kind="gpt2"):
    """Return a model whose predictions depend on the context, so that mistakes show."""
    return tiny_model(kind, seed=1, spread=6)


@torch.no_grad()
def naive(model, span):
    """Return the log-likelihood of a span, one target at a time, in float64."""
    total = 0.0
    for position in range(span.first, len(span.ids)):
        logits = model(input_ids=torch.tensor([span.ids[:position]])).logits[0, -1].double()
        total += logits.log_softmax(-1)[span.ids[position]].item()
    return total


def random_spans(count, seed=0):
    rng = np.random.default_rng(seed)
    spans = []
    for _ in range(count):
        length = int(rng.integers(2, BLOCK + 1))
        spans.append(SpanTokens(rng.integers(0, VOCABULARY, length).tolist(), int(rng.integers(1, length))))
    return spans


@pytest.mark.parametrize("kind", KINDS)
def test_a_log_likelihood_equals_a_naive_computation(kind):
    model, spans = sharp(kind), random_spans(8)
    expected = [naive(model, span) for span in spans]
    assert span_scores(model, spans).log_likelihood == pytest.approx(expected, abs=1e-5, rel=1e-6)
    assert np.std(expected) > 1


@pytest.mark.parametrize("kind", KINDS)
def test_batch_order_and_composition_do_not_change_a_number(kind, monkeypatch):
    model, spans = sharp(kind), random_spans(12)
    whole = span_scores(model, spans).log_likelihood
    order = np.random.default_rng(0).permutation(len(spans))
    assert (
        span_scores(model, [spans[number] for number in order]).log_likelihood.tolist()
        == whole[order].tolist()
    )
    alone = [span_scores(model, [span]).log_likelihood[0] for span in spans]
    assert alone == pytest.approx(whole, abs=1e-5, rel=1e-6)
    monkeypatch.setattr(score, "BATCH_SEQUENCES", 5)
    assert span_scores(model, spans).log_likelihood == pytest.approx(whole, abs=1e-5, rel=1e-6)


def test_repeated_spans_and_spans_of_one_sentence_are_kept_apart():
    model, ids = sharp(), [0, 5, 9, 17, 4]
    spans = [SpanTokens(ids, 3), SpanTokens(ids, 1), SpanTokens(ids, 3)]
    found = span_scores(model, spans).log_likelihood
    assert found.tolist() == pytest.approx([naive(model, span) for span in spans], abs=1e-5)
    assert found[0] == found[2] != found[1]


@pytest.mark.parametrize("kind", KINDS)
def test_the_number_of_positions_is_the_model_s(kind):
    assert max_length(tiny_model(kind)) == BLOCK


@torch.no_grad()
def naive_text_loss(model, tokens, block_size, end_token):
    total = 0.0
    for start in range(0, len(tokens), block_size - 1):
        row = tokens[start : start + block_size - 1].tolist()
        total -= naive(model, SpanTokens([end_token, *row], 1))
    return total


@pytest.mark.parametrize("count", [1, 14, 15, 16, 45, 250, 15 * 16 + 1])
def test_the_text_loss_counts_each_token_once_and_equals_a_naive_one(count):
    model, tokens = sharp(), some_tokens(count)
    loss, number = text_loss(model, tokens, 16, begin_token=0)
    assert number == count
    assert loss == pytest.approx(naive_text_loss(model, tokens, 16, 0), rel=1e-6)


def test_the_text_loss_fits_the_model_s_positions_and_nothing_gives_nothing():
    model = sharp()
    assert text_loss(model, some_tokens(100), BLOCK, begin_token=0)[1] == 100
    assert text_loss(model, some_tokens(0), BLOCK, begin_token=0) == (0.0, 0)


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 300), st.integers(2, BLOCK))
def test_a_uniform_model_loses_log_vocabulary_on_every_token(count, block_size):
    model = uniform()
    loss, number = text_loss(model, some_tokens(count), block_size, begin_token=0)
    assert loss / number == pytest.approx(math.log(VOCABULARY), rel=1e-6)


def uniform():
    """Return a model that gives every token the same probability."""
    model = tiny_model()
    with torch.no_grad():
        model.transformer.ln_f.weight.zero_()
        model.transformer.ln_f.bias.zero_()
    return model


def scores_of(model, rows, checkpoint="20190101"):
    return list(score_probes(model, tiny_tokenizer(), to_arrow(rows, "probes"), checkpoint=checkpoint))


def with_answer(row, answer):
    start = row["span_start"]
    return row["text"][:start] + answer + row["text"][row["span_end"] :], start, start + len(answer)


def tokens_of(row, answer):
    text, start, end = with_answer(row, answer)
    return span_tokens(tiny_tokenizer(), text, (start, end), max_length=BLOCK)


def likelihood(model, row, answer):
    return naive(model, tokens_of(row, answer))


CITIES = ["Paris", "Lisbon", "Oslo", "Acme", "Globex"]


def test_scores_and_ranks_equal_a_naive_computation():
    model = sharp()
    rows = [
        probe(f"{name}-{city}", f"{name} lives in {city} now", city, candidates=CITIES)
        for name in ("Anna Berg", "Carl Dahl", "Eva Falk")
        for city in CITIES
    ]
    found = scores_of(model, rows)
    assert [row["probe"] for row in found] == [row["id"] for row in rows]
    for row, scored in zip(rows, found, strict=True):
        own = row["text"][row["span_start"] : row["span_end"]]
        each = {city: likelihood(model, row, city) for city in CITIES}
        assert scored["log_likelihood"] == pytest.approx(each[own], abs=1e-5, rel=1e-6)
        assert scored["rank"] == sorted(each, key=each.get, reverse=True).index(own) + 1
        assert (scored["num_candidates"], scored["num_bytes"]) == (5, len(own))
        assert scored["checkpoint"] == "20190101"
    assert len({scored["rank"] for scored in found}) > 1


def test_a_tie_counts_against_the_answer():
    # Under a uniform model only the number of tokens matters: answers of equal length tie.
    row = probe("a", "Anna Berg lives at 7", "7", candidates=["7", "8", "9"])
    lengths = {len(tokens_of(row, city).ids) for city in row["candidates"]}
    assert len(lengths) == 1
    scored = scores_of(uniform(), [row])[0]
    assert (scored["rank"], scored["num_candidates"]) == (3, 3)


def test_other_right_answers_of_the_same_query_are_no_candidates():
    model = sharp()
    rows = [
        probe(city, f"Anna Berg lives in {city}", city, candidates=CITIES, answer_group="Anna Berg lives in")
        for city in ("Paris", "Oslo")
    ]
    for row, scored in zip(rows, scores_of(model, rows), strict=True):
        wrong = [likelihood(model, row, city) for city in ("Lisbon", "Acme", "Globex")]
        assert scored["num_candidates"] == 4
        assert scored["rank"] == 1 + sum(value >= scored["log_likelihood"] for value in wrong)


def test_without_candidates_there_is_no_rank():
    alone, itself = scores_of(
        sharp(),
        [
            probe("a", "Anna Berg lives in Oslo", "Oslo", candidates=[]),
            probe("b", "Eva Falk lives in Oslo", "Oslo", candidates=["Oslo"]),
        ],
    )
    assert (alone["rank"], alone["num_candidates"]) == (0, 0)
    assert (itself["rank"], itself["num_candidates"]) == (0, 0)


def test_a_validation_probe_has_its_log_likelihood_but_no_rank():
    row = probe("a", "Anna Berg lives in Oslo", "Oslo", candidates=CITIES)
    validation, test = scores_of(sharp(), [row | {"id": "b", "split": "validation"}, row])
    assert (validation["rank"], validation["num_candidates"], validation["split"]) == (0, 0, "validation")
    assert (test["num_candidates"], test["split"]) == (5, "test")
    for name in ("log_likelihood", "num_tokens", "num_bytes"):
        assert validation[name] == test[name]


def test_the_old_answer_of_a_test_probe_is_scored_in_its_place():
    model = sharp()
    row = probe("a", "Anna Berg lives in Oslo now", "Oslo", candidates=CITIES) | {"old_answer": "Paris"}
    without, test, validation = scores_of(
        model, [row | {"id": "b", "old_answer": ""}, row, row | {"id": "c", "split": "validation"}]
    )
    assert test["old_log_likelihood"] == pytest.approx(likelihood(model, row, "Paris"), abs=1e-5, rel=1e-6)
    assert without["old_log_likelihood"] is validation["old_log_likelihood"] is None
    for name in ("log_likelihood", "rank", "num_candidates"):
        assert test[name] == without[name]


def test_an_exact_match_is_what_greedy_decoding_gives():
    model = sharp()
    rows = [
        probe(f"{name}-{city}", f"{name} lives in {city}", city, candidates=[])
        for name in ("Anna Berg", "Carl Dahl", "Eva Falk", "Anna Eva", "Dahl Berg")
        for city in CITIES
    ]
    wanted = []
    for row in rows:
        tokens = tokens_of(row, row["text"][row["span_start"] : row["span_end"]])
        ids = tokens.ids[: tokens.first]
        while len(ids) < len(tokens.ids):
            ids = [*ids, int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax())]
        wanted.append(ids == tokens.ids)
    assert [scored["exact_match"] for scored in scores_of(model, rows)] == wanted


def test_bytes_are_those_of_the_span_in_utf8():
    assert (
        scores_of(sharp(), [probe("a", "Anna lives in 東京é", "東京é", candidates=[])])[0]["num_bytes"] == 8
    )


def test_the_number_of_tokens_is_the_span_s():
    row = probe("a", "Anna Berg lives in Oslo", "Oslo", candidates=[])
    span = span_tokens(tiny_tokenizer(), row["text"], (row["span_start"], row["span_end"]), max_length=BLOCK)
    assert scores_of(sharp(), [row])[0]["num_tokens"] == span.num_targets


def test_an_empty_table_of_probes_gives_no_scores():
    assert scores_of(sharp(), []) == []


def test_a_probe_that_cannot_be_scored_is_named():
    good = probe("good", "Anna Berg lives in Oslo", "Oslo")
    for bad in (
        probe("empty", "Anna lives in Oslo", "Oslo", span_end=14),
        probe("long", "Anna " + "東京" * 40, "東京" * 40, candidates=[]),
        probe("candidate", "Anna lives in Oslo", "Oslo", candidates=["東京" * 40]),
    ):
        with pytest.raises(TglError, match=f"probe '{bad['id']}': span"):
            scores_of(sharp(), [good, bad])


def test_a_span_that_ends_outside_its_text_is_an_error_not_a_shorter_span():
    with pytest.raises(TglError, match="probe 'bad': span"):
        scores_of(sharp(), [probe("bad", "Anna lives in Oslo", "Oslo", span_end=99)])


def test_a_log_likelihood_that_is_not_finite_is_an_error_naming_probe_and_checkpoint():
    model = sharp()
    with torch.no_grad():
        model.transformer.ln_f.bias.fill_(math.nan)
    with pytest.raises(TglError, match="probe 'a': log-likelihood nan at checkpoint '20190101'"):
        scores_of(model, [probe("a", "Anna Berg lives in Oslo", "Oslo")])


def test_dropout_is_off_while_scoring():
    model = sharp()
    model.train()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.5
    row = probe("a", "Anna Berg lives in Oslo", "Oslo", candidates=CITIES)
    assert scores_of(model, [row]) == scores_of(sharp(), [row])


@pytest.mark.parametrize("value", [-1, 0, "absent"])
def test_positions_that_a_configuration_does_not_bound_are_2048(value):
    model = tiny_model("llama")
    if value == "absent":
        del model.config.max_position_embeddings
    else:
        model.config.max_position_embeddings = value
    assert max_length(model) == 2048
