import copy
import json
import tracemalloc

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.model_fixtures import ARCHITECTURES
from tests.support.tokenizers import TEXTS, change, encode
from tgl.core.errors import TglError
from tgl.core.schemas import SCHEMAS
from tgl.core.tables.read import read_about, read_counts, read_table
from tgl.core.tables.write import TableWriter, write_table
from tgl.core.vocabulary import TEXT_PARTS
from tgl.models.tokenizer import END_OF_TEXT, load_tokenizer, train_tokenizer, vocabulary_hash
from tgl.text import tokens
from tgl.text.stage import write_packed
from tgl.text.tokens import check_packed, pack, read_stream, write_blocks


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    train_tokenizer(TEXTS, 300, folder)
    return load_tokenizer(folder)


documents = st.lists(st.tuples(st.sampled_from(TEXT_PARTS), st.text("abc ", max_size=30)), max_size=12)


@settings(deadline=None, max_examples=50)
@given(documents, st.integers(1, 20))
def test_packing_keeps_every_token_of_every_document_in_order(tokenizer, items, block_size):
    rows = list(pack(items, tokenizer, block_size))
    for part in TEXT_PARTS:
        blocks = [row["tokens"] for row in rows if row["part"] == part]
        expected = []
        for where, text in items:
            if where == part:
                expected += [*encode(tokenizer, text), tokenizer.eos_token_id]
        assert [token for block in blocks for token in block] == expected
        assert all(len(block) == block_size for block in blocks[:-1])
        assert all(0 < len(block) <= block_size for block in blocks[-1:])


def test_packing_does_not_depend_on_how_documents_are_grouped(tokenizer):
    items = [(TEXT_PARTS[number % 3 == 0], text) for number, text in enumerate(TEXTS * 5)]
    rows = list(pack(items, tokenizer, 64))
    for part in TEXT_PARTS:
        ends = sum(row["tokens"].count(tokenizer.eos_token_id) for row in rows if row["part"] == part)
        assert ends == sum(where == part for where, _ in items)


def test_blocks_are_written_with_counts_and_read_back_as_a_stream(tokenizer, tmp_path):
    items = [("train", text) for text in TEXTS[:20]] + [("held_out", TEXTS[30])]
    write_blocks(iter(items), tokenizer, 16, output=tmp_path / "t")
    counts = read_counts(tmp_path / "t")
    assert (counts["train_documents"], counts["held_out_documents"]) == (20, 1)
    rows = read_table(tmp_path / "t", "tokens").to_pylist()
    for part in TEXT_PARTS:
        stream = read_stream(tmp_path / "t", part)
        assert stream.dtype == np.int32
        assert len(stream) == counts[f"{part}_tokens"]
        assert counts[f"{part}_blocks"] == sum(row["part"] == part for row in rows) == -(-len(stream) // 16)
    texts = tokenizer.decode(read_stream(tmp_path / "t", "train")).split(END_OF_TEXT)
    assert texts == [*TEXTS[:20], ""]


def test_row_groups_hold_the_packed_rows_in_their_order(tokenizer, tmp_path, monkeypatch):
    monkeypatch.setattr(tokens, "_GROUP_TOKENS", 64)
    items = [(TEXT_PARTS[number % 3 == 0], text) for number, text in enumerate(TEXTS)]
    write_blocks(items, tokenizer, 16, output=tmp_path / "t")
    assert read_table(tmp_path / "t", "tokens").to_pylist() == list(pack(items, tokenizer, 16))
    assert pq.ParquetFile(tmp_path / "t").num_row_groups > 10
    assert set(read_counts(tmp_path / "t")) > {"train_blocks"}
    assert read_about(tmp_path / "t")["vocabulary_sha256"] == vocabulary_hash(tokenizer)


def test_counts_that_the_source_keeps_are_those_of_the_end(tokenizer, tmp_path):
    counts = {"seen": 0}

    def items():
        for text in TEXTS:
            counts["seen"] += 1
            yield "train", text

    write_blocks(items(), tokenizer, 16, output=tmp_path / "t", more_counts=counts)
    assert read_counts(tmp_path / "t")["seen"] == len(TEXTS)


@pytest.mark.parametrize("kind", ["pages", "diff"])
def test_memory_of_packing_does_not_grow_with_the_text(tokenizer, tmp_path, monkeypatch, kind):
    monkeypatch.setattr(tokens, "_GROUP_TOKENS", 1 << 12)
    monkeypatch.setattr(tokens, "_GROUP_CHARACTERS", 1 << 12)
    tokenizer.save_pretrained(tmp_path / "tokenizer")
    row = {name: 0 if kind in ("int64", "int32") else "" for name, kind in zip(
        SCHEMAS[kind].names, map(str, SCHEMAS[kind].types), strict=True)}  # fmt: skip
    row |= {name: [] for name in ("links", "sections") if name in row}

    def peak(documents):
        with TableWriter(tmp_path / "in", kind, group_rows=20) as table:
            for number in range(documents):
                table.add(row | {"page_id": number, "text": " ".join(TEXTS[:12])})
            table.finish({})
        tracemalloc.start()
        write_packed(
            [tmp_path / "in"],
            kind,
            tmp_path / "out",
            tokenizer=tmp_path / "tokenizer",
            block_size=64,
            holdout_share=0.1,
        )
        _, found = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert read_counts(tmp_path / "out")["train_tokens"] > 80 * documents
        return found

    peak(2)  # imports
    assert peak(2500) < 1.15 * peak(500)


def test_part_without_tokens_is_an_empty_stream(tokenizer, tmp_path):
    write_blocks([("train", "a")], tokenizer, 16, output=tmp_path / "t")
    assert read_stream(tmp_path / "t", "held_out").tolist() == []
    assert json.loads(json.dumps(read_counts(tmp_path / "t")))["held_out_blocks"] == 0


def test_period_without_training_text_is_an_error(tokenizer, tmp_path):
    with pytest.raises(TglError, match="no training text"):
        write_blocks([("held_out", "a")], tokenizer, 16, output=tmp_path / "t")
    assert not (tmp_path / "t").exists()


# Which tokenizer a table was packed with


def altered(tokenizer, folder, **parts):
    """Return the tokenizer with parts of its tokenizer.json replaced."""
    tokenizer.save_pretrained(folder)
    change(folder / "tokenizer.json", **parts)
    return load_tokenizer(folder)


@pytest.fixture
def packed(tokenizer, tmp_path):
    write_blocks([("train", TEXTS[0])], tokenizer, 16, output=tmp_path / "tokens.parquet")
    return tmp_path / "tokens.parquet"


def test_tokens_of_the_same_tokenizer_pass_wherever_it_was_saved(tokenizer, packed, tmp_path):
    # Next to a configuration of Qwen2, transformers puts that model's rules in place of the file's.
    for kind in ARCHITECTURES.keys() - {"qwen2"}:
        folder = tmp_path / kind
        tokenizer.save_pretrained(folder)
        ARCHITECTURES[kind].save_pretrained(folder)
        check_packed([packed], load_tokenizer(folder))


def test_use_does_not_change_a_tokenizer(tokenizer, packed):
    tokenizer(TEXTS[:2], truncation=True, max_length=3)
    check_packed([packed], tokenizer)


def test_tokens_of_the_same_vocabulary_with_other_rules_are_refused(tokenizer, packed, tmp_path):
    model = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    others = [
        altered(tokenizer, tmp_path / "lower", normalizer={"type": "Lowercase"}),
        altered(tokenizer, tmp_path / "merges", model=model | {"merges": model["merges"][::-1]}),
    ]
    for other in others:
        assert other.get_vocab() == tokenizer.get_vocab()
        with pytest.raises(TglError, match=r"tokens\.parquet: packed with another tokenizer .*\(rules"):
            check_packed([packed], other)


def test_a_table_from_before_the_rules_were_recorded_is_compared_by_its_vocabulary(tokenizer, tmp_path):
    path = tmp_path / "tokens.parquet"
    write_table(
        [{"part": "train", "tokens": [1, 2]}],
        path,
        "tokens",
        counts={},
        about={"vocabulary_sha256": vocabulary_hash(tokenizer)},
    )
    check_packed([path], tokenizer)
    write_table(
        [{"part": "train", "tokens": [1, 2]}],
        path,
        "tokens",
        counts={},
        about={"vocabulary_sha256": "0" * 64},
    )
    with pytest.raises(TglError, match=r"\(vocabulary 000000000000"):
        check_packed([path], tokenizer)
    write_table([{"part": "train", "tokens": [1, 2]}], path, "tokens")
    with pytest.raises(TglError, match="does not record the tokenizer"):
        check_packed([path], tokenizer)


def test_special_tokens_inside_a_text_are_counted(tokenizer, tmp_path):
    texts = [("train", f"{TEXTS[0]} {END_OF_TEXT} {TEXTS[1]}"), ("train", TEXTS[2])]
    write_blocks(texts, tokenizer, 8, output=tmp_path / "special")
    assert read_counts(tmp_path / "special")["special_tokens_in_text"] == 1
    write_blocks(texts[1:], tokenizer, 8, output=tmp_path / "plain")
    assert "special_tokens_in_text" not in read_counts(tmp_path / "plain")


def test_another_end_of_text_token_is_another_tokenizer(tokenizer, tmp_path):
    write_blocks([("train", TEXTS[0])], tokenizer, 8, output=tmp_path / "tokens")
    other = copy.deepcopy(tokenizer)
    other.eos_token = other.convert_ids_to_tokens(5)
    with pytest.raises(TglError, match=r"end-of-text token \d+, expected 5\)"):
        check_packed([tmp_path / "tokens"], other)
