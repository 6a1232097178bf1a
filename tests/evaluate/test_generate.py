"""Greedy continuations of a few probes."""

import copy

import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import GPT2Config, GPT2LMHeadModel

from tests.support.model_fixtures import probe, tiny_model, tiny_tokenizer, write_probes
from tgl.core.tables.read import read_table
from tgl.evaluate.generate import PROBES, TOKENS, generations, greedy, sampled
from tgl.models.tokenizer import first_token


def table(tmp_path, rows) -> pa.Table:
    return read_table(write_probes(tmp_path / "probes.parquet", rows), "probes")


def alone(model, ids, count):
    """Return the likeliest next tokens of one context without padding."""
    with torch.no_grad():
        for _ in range(count):
            logits = model(input_ids=torch.tensor([ids])).logits[0, -1]
            ids = [*ids, int(logits.argmax())]
    return ids[-count:]


def test_each_context_goes_on_as_it_does_alone():
    model = tiny_model(spread=6).eval()
    contexts = [[1], [2, 3, 4, 5], [7, 7], [1, 9, 4]]
    assert greedy(model, contexts, 5) == [alone(model, ids, 5) for ids in contexts]
    assert greedy(model, [], 5) == []


def test_a_row_has_the_text_after_the_left_side_of_the_span(tmp_path):
    rows = [
        probe("a", "Anna Berg lives in Oslo", "Oslo", split="test"),
        probe("b", "Anna Berg lives in Oslo", "Oslo", split="validation"),
    ]
    model, tokenizer = tiny_model(spread=6).eval(), tiny_tokenizer()
    (row,) = generations(model, tokenizer, table(tmp_path, rows), checkpoint="now")
    left = tokenizer("Anna Berg lives in", add_special_tokens=False)["input_ids"]
    expected = tokenizer.decode(alone(model, [first_token(tokenizer), *left], TOKENS))
    assert row == {"checkpoint": "now", "probe": "a", "text": expected}


def test_a_continuation_ends_with_the_text(tmp_path):
    model, tokenizer = tiny_model(spread=6).eval(), copy.deepcopy(tiny_tokenizer())
    tokenizer.bos_token = tokenizer.convert_ids_to_tokens(first_token(tokenizer))
    asked = table(tmp_path, [probe("a", "Anna Berg lives in Oslo", "Oslo", split="test")])
    (whole,) = generations(model, tokenizer, asked, checkpoint="now")
    left = [first_token(tokenizer), *tokenizer("Anna Berg lives in", add_special_tokens=False)["input_ids"]]
    ids = alone(model, left, TOKENS)
    tokenizer.eos_token = tokenizer.convert_ids_to_tokens(ids[3])
    (row,) = generations(model, tokenizer, asked, checkpoint="now")
    first = ids.index(ids[3])
    assert row["text"] == tokenizer.decode(ids[:first])
    assert whole["text"].startswith(row["text"])


def test_a_long_context_loses_its_left_side_but_not_the_first_token(tmp_path):
    model, tokenizer = tiny_model(spread=6).eval(), tiny_tokenizer()
    positions = model.config.max_position_embeddings
    text = "Anna Berg lives in " * positions + "Oslo"
    (row,) = generations(
        model, tokenizer, table(tmp_path, [probe("a", text, "Oslo", split="test")]), checkpoint="now"
    )
    left = tokenizer(text[: -len(" Oslo")], add_special_tokens=False)["input_ids"]
    ids = [first_token(tokenizer), *left[-(positions - TOKENS - 1) :]]
    assert row["text"] == tokenizer.decode(alone(model, ids, TOKENS))


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.sampled_from("12")), max_size=60))
def test_every_group_has_an_equal_share_and_at_least_one_probe(groups):
    rows = [{"id": n, "set": s, "kind": k, "period": p} for n, (s, k, p) in enumerate(groups)]
    chosen = sampled(rows)
    assert len({row["id"] for row in chosen}) == len(chosen)
    keys = set(groups)
    share = max(1, PROBES // max(1, len(keys)))
    for key in keys:
        own = [row for row in chosen if (row["set"], row["kind"], row["period"]) == key]
        assert len(own) == min(share, groups.count(key))


@pytest.mark.parametrize("positions", [16, 17, 18, 40])
def test_a_model_of_few_positions_writes_fewer_tokens(tmp_path, positions):
    config = GPT2Config(
        n_layer=1, n_embd=8, n_head=2, n_positions=positions, vocab_size=len(tiny_tokenizer())
    )
    asked = table(tmp_path, [probe("a", "Anna Berg lives in Oslo", "Oslo", split="test")])
    (row,) = generations(GPT2LMHeadModel(config).eval(), tiny_tokenizer(), asked, checkpoint="now")
    assert isinstance(row["text"], str)


def test_many_contexts_are_computed_in_batches_and_keep_their_order():
    model = tiny_model(spread=6).eval()
    contexts = [[1 + n % 7] * (1 + (5 * n) % 13) for n in range(21)]
    assert greedy(model, contexts, 3) == [alone(model, ids, 3) for ids in contexts]
