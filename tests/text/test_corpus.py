import bz2
import gzip
import json
import lzma
from collections import Counter

import numpy as np
import pytest
from tokenizers.processors import TemplateProcessing

from tests.support.model_fixtures import TEXTS, tiny_tokenizer, tokenizer_folder, write_tokens
from tgl.core.errors import TglError
from tgl.core.tables.write import write_table
from tgl.models.tokenizer import load_tokenizer
from tgl.text.corpus import read_corpus
from tgl.text.tokens import read_stream


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    """A file is read without the network and without a cache left at home."""

    def refuse(*arguments, **options):
        raise AssertionError("a file of the disk was looked for on the network")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)


def expected(texts=TEXTS):
    tokenizer = tiny_tokenizer()
    return [t for text in texts for t in (*tokenizer(text)["input_ids"], tokenizer.eos_token_id)]


def read(path, **options):
    found = read_corpus(path, tiny_tokenizer(), **options)
    assert found.dtype == np.int32
    return found.tolist()


def lines(texts=TEXTS, **more):
    return "\n".join(json.dumps({"text": text, **more}) for text in texts).encode()


def page(number, text):
    names = {"page_id": number, "title": f"t{number}", "revision_id": 1, "timestamp": "", "sha1": ""}
    return {**names, "text": text, "links": [], "sections": [], "given_up": ""}


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("a.jsonl", bytes), ("a.json", bytes), ("a.jsonl.gz", gzip.compress),
        ("a.jsonl.xz", lzma.compress), ("a.jsonl.bz2", bz2.compress), ("wiki.2024-01.jsonl", bytes),
    ],
)  # fmt: skip
def test_json_lines_give_a_document_each_also_compressed(tmp_path, name, pack):
    (tmp_path / name).write_bytes(pack(lines(title="not read")))
    assert read(tmp_path / name) == expected()


def test_a_json_list_gives_a_document_each(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps([{"text": text} for text in TEXTS]))
    assert read(tmp_path / "a.json") == expected()


@pytest.mark.parametrize(("name", "pack"), [("a.txt", bytes), ("a.txt.gz", gzip.compress)])
def test_a_text_file_is_one_document_with_its_line_breaks(tmp_path, name, pack):
    text = "Anna Berg lives\nin Paris.\n\n  Größe: ½\n"
    (tmp_path / name).write_bytes(pack(text.encode()))
    found = read(tmp_path / name)
    assert found.count(0) == 1
    assert found[-1] == 0
    assert tiny_tokenizer().decode(found[:-1], clean_up_tokenization_spaces=False).rstrip() == text.rstrip()


def test_the_table_pages_gives_its_column_text(tmp_path):
    rows = [page(number, text) for number, text in enumerate(TEXTS)]
    write_table(rows, tmp_path / "pages.parquet", "pages")
    assert read(tmp_path / "pages.parquet") == expected()


def test_the_table_tokens_gives_its_training_part_as_it_is(tmp_path):
    path = write_tokens(tmp_path / "tokens.parquet")
    assert read(path) == read_stream(path, "train").tolist() == expected(TEXTS * 2)


def test_documents_are_ended_and_not_begun_also_by_a_tokenizer_that_would_begin_them(tmp_path):
    tokenizer = load_tokenizer(tokenizer_folder())  # not the shared one, which must stay as it is
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="! $A", special_tokens=[("!", 1)])
    assert tokenizer("one")["input_ids"][0] == 1  # what the test is about
    (tmp_path / "a.jsonl").write_bytes(lines(["one", "two", "three"]))
    assert read_corpus(tmp_path / "a.jsonl", tokenizer).tolist() == expected(["one", "two", "three"])


@pytest.mark.parametrize("most", [1, 2, 50, 200])
def test_reading_stops_after_the_document_that_reaches_the_limit(tmp_path, most):
    (tmp_path / "a.jsonl").write_bytes(lines(TEXTS[:20]))
    found = read(tmp_path / "a.jsonl", most=most)
    documents, number = 0, 0
    while documents < most:
        documents, number = len(expected(TEXTS[: number + 1])), number + 1
    assert found == expected(TEXTS[:number])


@pytest.mark.parametrize("key", ["body", "Text"])
def test_a_missing_column_text_is_refused_with_those_found(tmp_path, key):
    (tmp_path / "a.jsonl").write_text(json.dumps({key: "Anna", "id": 1}))
    with pytest.raises(TglError, match=rf"a\.jsonl: found the columns (\['{key}', 'id'\]|\['id', '{key}'\])"):
        read(tmp_path / "a.jsonl")


@pytest.mark.parametrize("value", [3, None, ["Anna"]])
def test_a_text_that_is_no_sentence_is_refused(tmp_path, value):
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": value}))
    with pytest.raises(TglError, match=r"a\.jsonl: found .* column 'text'"):
        read(tmp_path / "a.jsonl")


@pytest.mark.parametrize("name", ["a.csv", "a", "a.gz", "a.txt.zip"])
def test_an_unknown_kind_of_file_is_refused_with_the_known_ones(tmp_path, name):
    (tmp_path / name).write_text("text")
    with pytest.raises(TglError, match=rf"{name}: unknown kind of text, expected \.txt, \.json, .*\.xz"):
        read(tmp_path / name)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(TglError, match=r"gone\.txt: no such file"):
        read(tmp_path / "gone.txt")
    with pytest.raises(TglError, match="a folder, not a regular file"):
        read(tmp_path)


def test_a_file_without_text_is_refused(tmp_path):
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(TglError, match=r"a\.txt: no text found"):
        read(tmp_path / "a.txt")
    (tmp_path / "a.jsonl").write_text('{"text": ""}')
    with pytest.raises(TglError, match=r"a\.jsonl: no text found"):
        read(tmp_path / "a.jsonl")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", b'{"text": "a"\n{'),
        ("a.jsonl.gz", gzip.compress(lines())[:-30]),
        ("a.jsonl.gz", b"no gzip"),
        ("a.jsonl.xz", lzma.compress(lines())[:-30]),
        ("a.txt", "Größe".encode("latin-1")),
    ],
)
def test_a_damaged_file_is_named(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TglError, match=rf"{name}: cannot be read as (json|text) \(."):
        read(tmp_path / name)


def flipped(data):
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 0xFF]) + data[middle + 1 :]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", b""),
        ("a.jsonl.gz", flipped(gzip.compress(lines()))),
        ("a.jsonl.xz", flipped(lzma.compress(lines()))),
        ("a.parquet", b"PAR1 and no table"),
    ],
)
def test_every_kind_of_damage_ends_in_a_message_that_names_the_file(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TglError, match=name):
        read(tmp_path / name)


def test_a_name_with_brackets_is_no_pattern(tmp_path):
    (tmp_path / "b[1].txt").write_text(TEXTS[0])
    assert read(tmp_path / "b[1].txt") == expected(TEXTS[:1])


def test_tokens_of_another_tokenizer_are_refused(tmp_path):
    write_tokens(tmp_path / "tokens.parquet")
    other = load_tokenizer(tokenizer_folder())
    other.add_tokens(["Lisbonne"])
    with pytest.raises(TglError, match=r"tokens\.parquet: packed with another tokenizer"):
        read_corpus(tmp_path / "tokens.parquet", other)


def test_tokens_that_do_not_say_their_tokenizer_are_refused(tmp_path):
    write_table([{"part": "train", "tokens": [1, 2, 3]}], tmp_path / "tokens.parquet", "tokens")
    with pytest.raises(TglError, match="does not record the tokenizer"):
        read(tmp_path / "tokens.parquet")


def test_an_empty_document_is_skipped_and_counted(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "one"}\n{"text": ""}\n{"text": "two"}\n')
    counts = Counter()
    found = read_corpus(path, tiny_tokenizer(), counts=counts)
    assert counts == {"text: documents skipped, text is empty": 1}
    assert (found == tiny_tokenizer().eos_token_id).sum() == 2


def test_a_byte_order_mark_is_no_token(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbf" + TEXTS[0].encode())
    assert read(tmp_path / "a.txt") == expected(TEXTS[:1])
