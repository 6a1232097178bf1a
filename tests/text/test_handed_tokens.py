"""Plain text handed over as tokens, and texts of a file that are null."""

import json
from collections import Counter

import numpy as np
import pytest
import torch

from tests.profiling.test_measure import profiled
from tests.support.model_fixtures import TEXTS, tiny_tokenizer, write_tokens
from tgl.core.errors import TglError
from tgl.text.corpus import read_corpus, tokens_of

TOKENS = [5, 7, 9, 0] * 40


@pytest.mark.parametrize(
    "given",
    [
        TOKENS,
        tuple(TOKENS),
        range(100, 200),
        np.array(TOKENS, dtype=np.int64),
        np.array(TOKENS, dtype=np.uint64),
        np.array(TOKENS, dtype=np.uint8),
        np.array(TOKENS, dtype=">i4"),
        torch.tensor(TOKENS),
        np.array(TOKENS)[::2],
    ],
    ids=lambda given: f"{type(given).__name__} {getattr(given, 'dtype', '')}",
)
def test_whole_numbers_in_one_dimension_are_taken(given):
    found = tokens_of(given, tiny_tokenizer(), Counter())
    assert found.tolist() == [int(token) for token in given]
    assert np.bincount(found).sum() == len(given)


def test_a_list_gives_the_profile_of_the_array_and_the_file(tmp_path):
    path = write_tokens(tmp_path / "tokens.parquet")
    array = read_corpus(path, tiny_tokenizer())
    found = [profiled(corpus=corpus) for corpus in (path, array, array.tolist(), array.astype(np.uint64))]
    assert len({one.about["text_sha256"] for one in found}) == 1
    for one in found[1:]:
        assert one.profile.equals(found[0].profile)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (np.array([[1, 2], [3, 4]]), r"ndarray of shape \(2, 2\).*one dimension"),
        ([[1, 2], [3, 4]], r"list of shape \(2, 2\)"),
        ([[1, 2], [3]], "list that is not an array"),
        (np.array(5), r"ndarray of shape \(\)"),
        (5, r"int of shape \(\)"),
        (None, r"NoneType of shape \(\)"),
        ([], "list without a token"),
        (np.array([], dtype=np.int32), "ndarray without a token"),
        (np.array([1.0, 2.0]), "ndarray of float64"),
        ([1, 2.5], "list of float64"),
        ([True, False], "list of bool"),
        (np.array([1, 2], dtype=object), "ndarray of object"),
        ([1, 10**30], "list of object"),
        ([1, None], "list of object"),
        (["one text", "another"], "list of .*JSON lines"),
        (np.array([3, -1]), "token ids from -1 to 3"),
        (np.array([2**64 - 1], dtype=np.uint64), "token ids from 18446744073709551615"),
        (torch.tensor([1.0, 2.0]), "Tensor of float32"),
        (torch.tensor([1.0], requires_grad=True), "Tensor that is not an array"),
        (b"some text", r"bytes of shape \(\)"),
        ({"text": "a"}, r"dict of shape \(\)"),
    ],
)
def test_everything_else_is_refused_with_what_is_expected(given, words):
    with pytest.raises(TglError, match=f"corpus: found {words}"):
        tokens_of(given, tiny_tokenizer(), Counter())
    if given is not None:  # which is no argument to the helper
        with pytest.raises(TglError, match=f"corpus: found {words}"):
            profiled(corpus=given)


def test_too_few_tokens_and_ids_that_the_tokenizer_lacks_are_refused():
    with pytest.raises(TglError, match="1 tokens, too few"):
        profiled(corpus=[5])
    with pytest.raises(TglError, match="token 300"):
        profiled(corpus=[5, 300] * 40)


def lines(tmp_path, texts, name="a.jsonl"):
    (tmp_path / name).write_text("\n".join(json.dumps({"text": text}) for text in texts))
    return tmp_path / name


@pytest.mark.parametrize("place", [0, 3, len(TEXTS)])
def test_a_null_among_texts_is_skipped_and_counted(tmp_path, place):
    counts = Counter()
    texts = [*TEXTS[:place], None, *TEXTS[place:], None]
    found = read_corpus(lines(tmp_path, texts), tiny_tokenizer(), counts=counts)
    whole = Counter()
    assert found.tolist() == read_corpus(lines(tmp_path, TEXTS), tiny_tokenizer(), counts=whole).tolist()
    assert counts == {"text: documents skipped, text is null": 2}
    assert not whole


def test_a_row_without_the_key_among_others_counts_as_null(tmp_path):
    counts = Counter()
    (tmp_path / "a.jsonl").write_text("\n".join([json.dumps({"text": "one two"}), json.dumps({"id": 3})]))
    read_corpus(tmp_path / "a.jsonl", tiny_tokenizer(), counts=counts)
    assert counts.total() == 1


def test_a_profile_prints_and_records_how_many_texts_were_null(tmp_path):
    said = []
    found = profiled(corpus=lines(tmp_path, [*TEXTS, None]), say=said.append)
    assert found.about["counts"]["text: documents skipped, text is null"] == 1
    assert "text: documents skipped, text is null: 1" in said
    found.save(tmp_path / "saved")
    assert (
        "text: documents skipped, text is null" not in profiled(corpus=lines(tmp_path, TEXTS)).about["counts"]
    )


def test_texts_that_are_all_null_are_refused(tmp_path):
    with pytest.raises(TglError, match=r"a\.jsonl: .*found null in .* all 2 documents"):
        read_corpus(lines(tmp_path, [None, None]), tiny_tokenizer())


def test_a_text_of_another_type_is_named_with_its_row(tmp_path):
    with pytest.raises(TglError, match=r"a\.jsonl: found 3 in row 1, expected a column 'text'"):
        read_corpus(lines(tmp_path, [3, 4]), tiny_tokenizer())
