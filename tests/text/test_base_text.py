import json
import lzma

import pytest

from tgl.core.errors import TglError
from tgl.core.tables.read import read_counts, read_table
from tgl.text.base_text import write_base_text


@pytest.mark.parametrize("name", ["t.jsonl", "t.jsonl.xz"])
def test_json_lines_become_pages(tmp_path, name):
    rows = [{"id": 5, "title": "A", "text": "Größe.\u2028x"}, {"id": "6", "title": "B", "text": " \n"}]
    content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    (tmp_path / name).write_bytes(lzma.compress(content) if name.endswith("xz") else content)
    write_base_text(tmp_path / name, tmp_path / "pages", None)
    (row,) = read_table(tmp_path / "pages", "pages").to_pylist()
    assert (row["page_id"], row["title"], row["text"], row["links"]) == (5, "A", "Größe.\u2028x", [])
    counts = read_counts(tmp_path / "pages")
    assert counts == {"documents_read": 2, "kept": 1, "empty_text": 1, "characters": 8}


@pytest.mark.parametrize(("limit", "kept"), [(1, 1), (10, 1), (11, 2), (1000, 4)])
def test_reading_stops_when_there_is_text_enough(tmp_path, limit, kept):
    lines = [json.dumps({"id": number, "title": "", "text": "x" * 10}) for number in range(4)]
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    write_base_text(tmp_path / "t.jsonl", tmp_path / "pages", limit)
    assert read_table(tmp_path / "pages", "pages").num_rows == kept


@pytest.mark.parametrize(
    "line",
    [
        "no json",
        "null",
        '{"id": 1, "title": "a"}',
        '{"id": 2, "title": 3, "text": "b"}',
        '{"id": 2, "title": "a", "text": 7}',
        '{"id": 2.5, "title": "a", "text": "b"}',
        '{"id": true, "title": "a", "text": "b"}',
        '{"id": "", "title": "a", "text": "b"}',
        '{"id": 1e999, "title": "a", "text": "b"}',
        '{"id": 1, "title": "a", "text": "\\ud800"}',
        "[" * 5000,
    ],
)
def test_wrong_line_is_named_and_leaves_no_table(tmp_path, line):
    good = json.dumps({"id": 1, "title": "a", "text": "b"})
    (tmp_path / "t.jsonl").write_text(f"{good}\n{line}\n")
    with pytest.raises(TglError, match=r"t\.jsonl, line 2: (found|not JSON|no key)"):
        write_base_text(tmp_path / "t.jsonl", tmp_path / "pages", None)
    assert not (tmp_path / "pages").exists()


def test_missing_and_damaged_files_are_named(tmp_path):
    with pytest.raises(TglError, match=r"gone\.jsonl: no such file"):
        write_base_text(tmp_path / "gone.jsonl", tmp_path / "pages", None)
    packed = lzma.compress(b'{"id": 1, "title": "a", "text": "b"}\n' * 1000)
    (tmp_path / "cut.jsonl.xz").write_bytes(packed[:-20])
    with pytest.raises(TglError, match=r"cut\.jsonl\.xz"):
        write_base_text(tmp_path / "cut.jsonl.xz", tmp_path / "pages", None)


@pytest.mark.parametrize("name", ["enwiki-2015-sample.jsonl.xz", "enwiki-2021-new-pages.jsonl.xz"])
def test_real_text_is_read_up_to_a_limit(data_root, tmp_path, name):
    write_base_text(data_root / "text" / name, tmp_path / "pages", 500_000)
    counts = read_counts(tmp_path / "pages")
    rows = read_table(tmp_path / "pages", "pages").to_pylist()
    assert counts["documents_read"] == counts["kept"] + counts["empty_text"]
    assert counts["kept"] == len(rows) == len({row["page_id"] for row in rows})
    assert counts["characters"] == sum(len(row["text"]) for row in rows) >= 500_000
    assert counts["characters"] - len(rows[-1]["text"]) < 500_000
