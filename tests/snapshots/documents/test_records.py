import bz2
import csv
import gzip
import io
import json
import lzma

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgl.core.errors import TglError
from tgl.snapshots.documents.document import Document
from tgl.snapshots.documents.records import Fields, kind_of, read_file

ROWS = [
    {"id": "NA", "title": "Namibia", "text": 'One, two.\nThree "quoted".'},
    {"id": "007", "title": "", "text": "Größe\u2028x"},
    {"id": "12", "title": "Twelve", "text": ""},
]
WANTED = [
    Document("NA", "Namibia", ROWS[0]["text"]),
    Document("007", "007", ROWS[1]["text"]),
    Document("12", "Twelve", ""),
]
PACK = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}


def content(name, rows):
    if ".parquet" in name:
        sink = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows), sink)
        return sink.getvalue()
    if ".csv" in name or ".tsv" in name:
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, list(rows[0]), delimiter="\t" if ".tsv" in name else ",")
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue().encode()
    if ".json" in name and ".jsonl" not in name:
        return json.dumps(rows).encode()
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def written(folder, name, rows):
    path = folder / name
    ending = path.suffix
    path.write_bytes(PACK.get(ending, bytes)(content(name, rows)))
    return path


@pytest.mark.parametrize(
    "name",
    [
        "a.jsonl",
        "a.ndjson",
        "a.json",
        "a.csv",
        "a.tsv",
        "a.parquet",
        "a.jsonl.gz",
        "a.csv.bz2",
        "a.json.xz",
        "A.JSONL",
    ],
)
def test_every_kind_of_file_gives_the_same_documents(tmp_path, name):
    assert list(read_file(written(tmp_path, name, ROWS))) == WANTED


def test_a_zst_file_is_unpacked(tmp_path):
    path = tmp_path / "a.jsonl.zst"
    path.write_bytes(pa.compress(content("a.jsonl", ROWS), codec="zstd", asbytes=True))
    assert list(read_file(path)) == WANTED


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbf" + content("a.csv", ROWS))
    assert list(read_file(tmp_path / "a.csv")) == WANTED


def test_numbers_and_text_are_the_same_id(tmp_path):
    path = written(tmp_path, "a.jsonl", [{"id": 7, "text": "a"}, {"id": "7", "title": None, "text": None}])
    assert list(read_file(path)) == [Document("7", "7", "a"), Document("7", "7", "")]


def test_the_names_of_the_columns_are_settings(tmp_path):
    path = written(tmp_path, "a.csv", [{"url": "x", "name": "X", "body": "b", "more": "1"}])
    assert list(read_file(path, Fields("url", "name", "body"))) == [Document("x", "X", "b")]


@given(st.lists(st.tuples(st.text(min_size=1), st.text(), st.text()), min_size=1, max_size=5))
def test_any_text_survives_json_lines_and_parquet(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("rows")
    records = [{"id": identity, "title": title, "text": text} for identity, title, text in rows]
    wanted = [Document(identity, title or identity, text) for identity, title, text in rows]
    for name in ("a.jsonl", "a.parquet"):
        assert list(read_file(written(folder, name, records))) == wanted


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", "x", r"a\.txt: unknown kind of file, expected \.jsonl"),
        ("a.csv", "id,text\n1,a,b\n", r"record 1 \(line 2\): found 3 cells, expected 2"),
        ("a.csv", "id,text\n1\n", r"record 1 \(line 2\): found 1 cells, expected 2"),
        ("a.csv", "id,id\n1,a\n", r"found the columns \['id', 'id'\], expected each name once"),
        ("a.csv", 'id,text\n1,"a\n', r"line \d: not a table"),
        ("a.csv", "id,txt\n1,a\n", r"no key 'text' \(did you mean 'txt'\?\); found id, txt.*text_field"),
        ("a.jsonl", '{"id": 1}\n', r"line 1: no key 'text'"),
        ("a.jsonl", '{"id": null, "text": "a"}\n', r"found the id None, expected text or a whole number"),
        ("a.jsonl", '{"id": 1, "text": []}\n', r"found a text of type list, expected a string"),
        ("a.jsonl", '"x"\n', r"found str, expected an object"),
        ("a.json", "[1", r"a\.json: not JSON"),
        ("a.parquet", "PAR1", r"not a readable Parquet file"),
        ("a.jsonl.gz", "x", r"a\.jsonl\.gz: cannot be read"),
        ("a.jsonl", b"\xff\n", r"cannot be read .*UTF-8"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, name, text, message):
    (tmp_path / name).write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(TglError, match=message):
        list(read_file(tmp_path / name))


def test_kinds_are_known_by_their_endings():
    assert [kind_of(name) for name in ("x.jsonl.xz", "x.CSV", "x.gz", "x", "x.tar.gz", ".jsonl")] == [
        ".jsonl", ".csv", None, None, None, None,
    ]  # fmt: skip
