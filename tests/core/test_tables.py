import contextlib
import os

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tgl.core.errors import TglError
from tgl.core.schemas import SCHEMAS
from tgl.core.tables import write
from tgl.core.tables.read import iter_batches, iter_rows, read_about, read_counts, read_table, read_tables
from tgl.core.tables.write import TableWriter, to_arrow, write_table

LOSS = {"checkpoint": "base", "text": "held_out", "num_tokens": 7, "negative_log_likelihood": 1.5}
PAGE = {
    "page_id": 1,
    "title": "Berlin",
    "revision_id": 5,
    "timestamp": "",
    "sha1": "",
    "text": "Berlin is a city.",
    "links": [{"target": "City", "start": 12, "end": 16}],
    "sections": [{"title": "Past", "level": 2, "start": 5}],
    "given_up": "",
}


def file_row(number):
    return {"path": f"part-{number}", "bytes": number, "sha1": "0" * 40}


def test_rows_come_back_as_they_were_written(tmp_path):
    write_table([PAGE], tmp_path / "a.parquet", "pages", counts={"kept": 1})
    assert read_table(tmp_path / "a.parquet", "pages").to_pylist() == [PAGE]
    assert read_counts(tmp_path / "a.parquet") == {"kept": 1}
    assert pq.read_schema(tmp_path / "a.parquet").metadata[b"tgl.table"] == b"pages"


def test_data_frame_and_rows_give_the_same_file(tmp_path):
    shuffled = {key: LOSS[key] for key in reversed(LOSS)}
    write_table([LOSS], tmp_path / "rows", "lm_loss", counts={"n": 1})
    write_table(pd.DataFrame([shuffled], index=[9]), tmp_path / "frame", "lm_loss", counts={"n": 1})
    assert (tmp_path / "rows").read_bytes() == (tmp_path / "frame").read_bytes()


@pytest.mark.parametrize("name", SCHEMAS)
def test_empty_table_keeps_its_schema(tmp_path, name):
    write_table([], tmp_path / "a", name)
    assert read_table(tmp_path / "a", name).schema.equals(SCHEMAS[name])
    assert read_counts(tmp_path / "a") == {}


@pytest.mark.parametrize("make", [lambda row: [LOSS, row], lambda row: pd.DataFrame([row])])
@pytest.mark.parametrize("change", ["missing", "extra"])
def test_missing_or_extra_column_is_named(make, change):
    row = dict(LOSS)
    if change == "missing":
        del row["text"]
    else:
        row["loss"] = 1.0
    with pytest.raises(TglError, match=r"lm_loss.*'text'") as caught:
        to_arrow(make(row), "lm_loss")
    assert ("'loss'" in str(caught.value)) == (change == "extra")


@pytest.mark.parametrize("make", [lambda row: [row], lambda row: pd.DataFrame([row])], ids=["rows", "frame"])
@pytest.mark.parametrize(("column", "value"), [("num_tokens", "seven"), ("text", 5)])
def test_value_of_a_wrong_type_is_an_error_a_user_can_read(make, column, value):
    with pytest.raises(TglError, match="lm_loss"):
        to_arrow(make(LOSS | {column: value}), "lm_loss")


def test_int32_overflow_is_an_error_and_not_another_number():
    row = {"part": "train", "tokens": [2**31]}
    with pytest.raises(TglError, match="tokens"):
        to_arrow([row], "tokens")


def test_writer_of_row_groups_gives_all_rows_in_order(tmp_path):
    with TableWriter(tmp_path / "a", "files", group_rows=3) as table:
        for number in range(10):
            table.add(file_row(number))
        table.finish({"files": 10})
    assert read_table(tmp_path / "a", "files")["bytes"].to_pylist() == list(range(10))
    assert read_counts(tmp_path / "a") == {"files": 10}
    assert pq.ParquetFile(tmp_path / "a").num_row_groups == 4


def test_writer_with_no_row_still_makes_a_table(tmp_path):
    with TableWriter(tmp_path / "a", "files") as table:
        table.finish({"files": 0})
    assert read_table(tmp_path / "a", "files").num_rows == 0


def test_writer_that_fails_leaves_no_file(tmp_path):
    def fail():
        with TableWriter(tmp_path / "a", "files", group_rows=1) as table:
            table.add(file_row(1))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert os.listdir(tmp_path) == []


def test_row_groups_of_long_texts_have_fewer_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(write, "_GROUP_CHARACTERS", 1000)
    with TableWriter(tmp_path / "a", "pages") as table:
        for number in range(10):
            table.add(PAGE | {"page_id": number, "text": "x" * 400})
        table.finish({})
    assert read_table(tmp_path / "a", "pages")["page_id"].to_pylist() == list(range(10))
    assert pq.ParquetFile(tmp_path / "a").num_row_groups == 4


def rows_in_groups(path, groups):
    """Write texts that cannot be packed small, 100 kB a row group."""
    draw = np.random.default_rng(0)
    with TableWriter(path, "pages", group_rows=10) as table:
        for number in range(10 * groups):
            text = draw.integers(32, 1000, 10_000).astype(np.uint32).tobytes().decode("utf-32-le")
            table.add(PAGE | {"page_id": number, "text": text})
        table.finish({})


def test_batches_are_the_rows_in_order_and_memory_holds_some_of_them(tmp_path):
    rows_in_groups(tmp_path / "a", 60)
    size = os.path.getsize(tmp_path / "a")
    assert size > 8e6
    before, ids = pa.total_allocated_bytes(), []
    for batch in iter_batches(tmp_path / "a", "pages", ["page_id", "text"], batch_rows=7):
        assert batch.num_rows <= 7
        assert pa.total_allocated_bytes() - before < size / 2
        ids += batch["page_id"].to_pylist()
    assert ids == list(range(600))
    assert [row["page_id"] for row in iter_rows(tmp_path / "a", "pages", ["page_id"])] == ids


def test_batches_are_checked_as_the_whole_table_is(tmp_path):
    write_table([PAGE], tmp_path / "a", "pages")
    with pytest.raises(TglError, match=r"gone: no such file.*'pages'"):
        next(iter_batches(tmp_path / "gone", "pages", ["text"]))
    with pytest.raises(TglError, match=r"a: not a 'lm_loss' table.*checkpoint"):
        next(iter_rows(tmp_path / "a", "lm_loss", ["text"]))
    other = to_arrow([LOSS], "lm_loss").drop(["num_tokens"]).append_column("num_tokens", pa.array(["x"]))
    pq.write_table(other, tmp_path / "b")
    with pytest.raises(TglError, match=r"b: not a 'lm_loss' table"):
        next(iter_rows(tmp_path / "b", "lm_loss", ["num_tokens"]))


def test_equal_rows_give_equal_bytes(tmp_path):
    for name in ("a", "b"):
        write_table([PAGE], tmp_path / name, "pages", counts={"kept": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_what_a_table_came_from_is_kept_beside_its_counts(tmp_path):
    about = {"model": "tiny", "settings": {"examples": 4}, "trained": {"deviation": 1e-7}, "period": None}
    write_table([PAGE], tmp_path / "a", "pages", counts={"kept": 1}, about=about)
    assert read_about(tmp_path / "a") == about
    assert read_counts(tmp_path / "a") == {"kept": 1}
    write_table([PAGE], tmp_path / "b", "pages", counts={"kept": 1})
    assert read_about(tmp_path / "b") == {}
    assert (tmp_path / "a").read_bytes() != (tmp_path / "b").read_bytes()


def test_a_table_carries_nothing_of_the_table_it_was_made_from(tmp_path):
    """A table that was read and written again has the metadata it is given, not the old one's."""
    write_table([PAGE], tmp_path / "a", "pages", counts={"kept": 1}, about={"model": "tiny"})
    write_table(pq.read_table(tmp_path / "a"), tmp_path / "b", "pages")
    assert (read_counts(tmp_path / "b"), read_about(tmp_path / "b")) == ({}, {})
    assert read_table(tmp_path / "b", "pages").to_pylist() == [PAGE]


def test_reading_says_what_is_wrong_with_the_file(tmp_path):
    (tmp_path / "text").write_text("no parquet")
    write_table([LOSS], tmp_path / "loss", "lm_loss")
    with pytest.raises(TglError, match=r"gone: no such file.*'pages'"):
        read_table(tmp_path / "gone", "pages")
    with pytest.raises(TglError, match="text: not a readable Parquet file"):
        read_table(tmp_path / "text", "pages")
    with pytest.raises(TglError, match=r"loss: not a 'pages' table.*page_id"):
        read_table(tmp_path / "loss", "pages")


def test_some_columns_can_be_read_and_foreign_ones_are_left(tmp_path):
    table = to_arrow([PAGE], "pages").append_column("more", pa.array([1]))
    pq.write_table(table, tmp_path / "a")
    assert read_table(tmp_path / "a", "pages", ["title"]).to_pylist() == [{"title": "Berlin"}]
    assert read_table(tmp_path / "a", "pages").column_names == SCHEMAS["pages"].names


def test_several_files_are_joined_in_the_order_given(tmp_path):
    for number in (2, 1):
        write_table([file_row(number)], tmp_path / str(number), "files")
    joined = read_tables([tmp_path / "2", tmp_path / "1"], "files", ["bytes"])
    assert joined["bytes"].to_pylist() == [2, 1]


@pytest.mark.parametrize(("column", "value"), [("num_tokens", 2**64), ("text", "\ud800")])
def test_value_that_no_column_can_hold_is_an_error_a_user_can_read(column, value):
    with pytest.raises(TglError, match="lm_loss"):
        to_arrow([LOSS | {column: value}], "lm_loss")


def test_every_bit_of_the_data_is_checked(tmp_path):
    """Without checksums most of these would be read as other numbers and texts."""
    write_table([PAGE] * 50, tmp_path / "a", "pages")
    content = (tmp_path / "a").read_bytes()
    whole = read_table(tmp_path / "a", "pages")
    for at in range(4, len(content) // 3, 7):
        (tmp_path / "b").write_bytes(content[:at] + bytes([content[at] ^ 16]) + content[at + 1 :])
        with contextlib.suppress(TglError):
            assert read_table(tmp_path / "b", "pages").equals(whole)  # a bit without meaning


def test_columns_of_another_type_are_cast_where_nothing_is_lost_and_refused_elsewhere(tmp_path):
    pq.write_table(pa.table({key: [value] for key, value in LOSS.items()}), tmp_path / "a")
    assert read_table(tmp_path / "a", "lm_loss").schema.equals(SCHEMAS["lm_loss"])
    pq.write_table(pa.table({key: ["x"] for key in LOSS}), tmp_path / "b")
    with pytest.raises(TglError, match=r"b: not a 'lm_loss' table"):
        read_table(tmp_path / "b", "lm_loss")


@pytest.mark.parametrize("read", [read_counts, read_about])
@pytest.mark.parametrize("stored", [b"{", b"[1]", b"\xff", b"[" * 5000])
def test_counts_of_another_kind_and_missing_files_are_named(tmp_path, read, stored):
    table = to_arrow([LOSS], "lm_loss")
    pq.write_table(table.replace_schema_metadata({"tgl.counts": stored, "tgl.about": stored}), tmp_path / "a")
    for name, problem in (("a", "not a readable Parquet file"), ("gone", "no such file")):
        with pytest.raises(TglError, match=f"{name}: {problem}"):
            read(tmp_path / name)
