import json
import tracemalloc

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from tests.model_fixtures import ARCHITECTURES
from tgl.errors import TglError
from tgl.schemas import SCHEMAS
from tgl.tables import TableWriter, read_about, read_counts, read_table, write_table
from tgl.text import tokens
from tgl.text.documents import PARTS
from tgl.text.stage import write_packed
from tgl.text.tokens import (
    END_OF_TEXT,
    check_packed,
    load_tokenizer,
    pack,
    read_stream,
    train_tokenizer,
    vocabulary_hash,
    write_blocks,
)

TEXTS = [
    f"The number {number} of {word} is {number * 7}." for number in range(60) for word in ("Berlin", "IBM")
]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    train_tokenizer(TEXTS, 300, folder)
    return load_tokenizer(folder)


def encode(tokenizer, text):
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def test_trained_tokenizer_has_the_size_asked_for_and_an_end_of_text_token(tokenizer):
    assert len(tokenizer) == 300
    assert tokenizer.convert_ids_to_tokens(tokenizer.eos_token_id) == END_OF_TEXT
    assert len(encode(tokenizer, "The number of Berlin")) < len("The number of Berlin") / 1.5


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=40).filter(lambda text: END_OF_TEXT not in text))
def test_any_text_comes_back_from_its_tokens(tokenizer, text):
    assert tokenizer.decode(encode(tokenizer, text), clean_up_tokenization_spaces=False) == text


def test_same_text_gives_the_same_tokenizer(tokenizer, tmp_path):
    train_tokenizer(TEXTS, 300, tmp_path)
    again = load_tokenizer(tmp_path)
    assert again.get_vocab() == tokenizer.get_vocab()
    assert encode(again, TEXTS[5]) == encode(tokenizer, TEXTS[5])


def test_offsets_cover_the_text(tokenizer):
    text = "Größe of Berlin is 3.5."
    offsets = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    assert offsets[0][0] == 0
    assert offsets[-1][1] == len(text)


def test_too_little_text_for_the_vocabulary_is_an_error(tmp_path):
    with pytest.raises(
        TglError, match=r"tokens\.vocab_size: the base text gives 25\d tokens, 5000 were asked"
    ):
        train_tokenizer(["ab"], 5000, tmp_path)


def test_tokenizers_that_cannot_be_used_are_named(tmp_path):
    with pytest.raises(TglError, match=r"gone.*cannot be loaded"):
        load_tokenizer(tmp_path / "gone")
    vocabulary = {f"t{number}": number for number in range(300)}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="t0"))
    PreTrainedTokenizerFast(tokenizer_object=inner).save_pretrained(tmp_path / "no-end")
    with pytest.raises(TglError, match="no end-of-text token"):
        load_tokenizer(tmp_path / "no-end")
    tiny = Tokenizer(models.WordLevel({"a": 0}, unk_token="a"))
    PreTrainedTokenizerFast(tokenizer_object=tiny, eos_token="a").save_pretrained(tmp_path / "tiny")
    with pytest.raises(TglError, match="only 1 tokens"):
        load_tokenizer(tmp_path / "tiny")


documents = st.lists(st.tuples(st.sampled_from(PARTS), st.text("abc ", max_size=30)), max_size=12)


@settings(deadline=None, max_examples=50)
@given(documents, st.integers(1, 20))
def test_packing_keeps_every_token_of_every_document_in_order(tokenizer, items, block_size):
    rows = list(pack(items, tokenizer, block_size))
    for part in PARTS:
        blocks = [row["tokens"] for row in rows if row["part"] == part]
        expected = []
        for where, text in items:
            if where == part:
                expected += [*encode(tokenizer, text), tokenizer.eos_token_id]
        assert [token for block in blocks for token in block] == expected
        assert all(len(block) == block_size for block in blocks[:-1])
        assert all(0 < len(block) <= block_size for block in blocks[-1:])


def test_packing_does_not_depend_on_how_documents_are_grouped(tokenizer):
    items = [(PARTS[number % 3 == 0], text) for number, text in enumerate(TEXTS * 5)]
    rows = list(pack(items, tokenizer, 64))
    for part in PARTS:
        ends = sum(row["tokens"].count(tokenizer.eos_token_id) for row in rows if row["part"] == part)
        assert ends == sum(where == part for where, _ in items)


def test_blocks_are_written_with_counts_and_read_back_as_a_stream(tokenizer, tmp_path):
    items = [("train", text) for text in TEXTS[:20]] + [("held_out", TEXTS[30])]
    write_blocks(iter(items), tokenizer, 16, tmp_path / "t")
    counts = read_counts(tmp_path / "t")
    assert (counts["train_documents"], counts["held_out_documents"]) == (20, 1)
    rows = read_table(tmp_path / "t", "tokens").to_pylist()
    for part in PARTS:
        stream = read_stream(tmp_path / "t", part)
        assert stream.dtype == np.int32
        assert len(stream) == counts[f"{part}_tokens"]
        assert counts[f"{part}_blocks"] == sum(row["part"] == part for row in rows) == -(-len(stream) // 16)
    texts = tokenizer.decode(read_stream(tmp_path / "t", "train")).split(END_OF_TEXT)
    assert texts == [*TEXTS[:20], ""]


def test_row_groups_hold_the_packed_rows_in_their_order(tokenizer, tmp_path, monkeypatch):
    monkeypatch.setattr(tokens, "_GROUP_TOKENS", 64)
    items = [(PARTS[number % 3 == 0], text) for number, text in enumerate(TEXTS)]
    write_blocks(items, tokenizer, 16, tmp_path / "t")
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

    write_blocks(items(), tokenizer, 16, tmp_path / "t", counts)
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
        write_packed([tmp_path / "in"], kind, tmp_path / "tokenizer", 64, 0.1, tmp_path / "out")
        _, found = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert read_counts(tmp_path / "out")["train_tokens"] > 80 * documents
        return found

    peak(2)  # imports
    assert peak(2500) < 1.15 * peak(500)


def test_part_without_tokens_is_an_empty_stream(tokenizer, tmp_path):
    write_blocks([("train", "a")], tokenizer, 16, tmp_path / "t")
    assert read_stream(tmp_path / "t", "held_out").tolist() == []
    assert json.loads(json.dumps(read_counts(tmp_path / "t")))["held_out_blocks"] == 0


def test_period_without_training_text_is_an_error(tokenizer, tmp_path):
    with pytest.raises(TglError, match="no training text"):
        write_blocks([("held_out", "a")], tokenizer, 16, tmp_path / "t")
    assert not (tmp_path / "t").exists()


# Tokenizers from outside


def change(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize("text", ["{", "[]", "{}", "", '{"version": "1.0", "model": 7}', "\x00"])
def test_a_broken_tokenizer_file_is_named(tmp_path, text):
    train_tokenizer(TEXTS, 300, tmp_path)
    (tmp_path / "tokenizer.json").write_text(text)
    with pytest.raises(TglError, match=r"tokenizer\.json"):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize("name", ["tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"])
def test_each_broken_file_of_a_tokenizer_is_named(tmp_path, name):
    train_tokenizer(TEXTS, 300, tmp_path)
    (tmp_path / name).write_text("{")
    with pytest.raises(TglError, match=f"{name}: not valid JSON"):
        load_tokenizer(tmp_path)


def test_a_tokenizer_that_is_a_git_lfs_pointer_is_named(tmp_path):
    train_tokenizer(TEXTS, 300, tmp_path)
    (tmp_path / "tokenizer.json").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
    )
    with pytest.raises(TglError, match=r"tokenizer\.json: holds a git-lfs pointer"):
        load_tokenizer(tmp_path)


def test_code_that_comes_with_a_tokenizer_is_refused_without_a_question(tmp_path, monkeypatch):
    train_tokenizer(TEXTS, 300, tmp_path)
    change(
        tmp_path / "tokenizer_config.json",
        auto_map={"AutoTokenizer": ["own.Own", None]},
        tokenizer_class="Own",
    )
    (tmp_path / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("a question was asked"))
    with pytest.raises(TglError, match=r"tokenizer_config\.json: names code of its own"):
        load_tokenizer(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_a_file_in_place_of_a_tokenizer_folder_is_refused(tmp_path):
    train_tokenizer(TEXTS, 300, tmp_path)
    with pytest.raises(TglError, match="is a file; expected"):
        load_tokenizer(tmp_path / "tokenizer.json")


# Which tokenizer a table was packed with


def altered(tokenizer, folder, **parts):
    """Return the tokenizer with parts of its tokenizer.json replaced."""
    tokenizer.save_pretrained(folder)
    change(folder / "tokenizer.json", **parts)
    return load_tokenizer(folder)


@pytest.fixture
def packed(tokenizer, tmp_path):
    write_blocks([("train", TEXTS[0])], tokenizer, 16, tmp_path / "tokens.parquet")
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
        {},
        {"vocabulary_sha256": vocabulary_hash(tokenizer)},
    )
    check_packed([path], tokenizer)
    write_table([{"part": "train", "tokens": [1, 2]}], path, "tokens", {}, {"vocabulary_sha256": "0" * 64})
    with pytest.raises(TglError, match=r"\(vocabulary 000000000000"):
        check_packed([path], tokenizer)
    write_table([{"part": "train", "tokens": [1, 2]}], path, "tokens")
    with pytest.raises(TglError, match="does not say with which tokenizer"):
        check_packed([path], tokenizer)
