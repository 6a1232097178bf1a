import json
import lzma

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tgl.core.errors import TglError
from tgl.core.tables.read import read_counts, read_table
from tgl.core.tables.write import to_arrow
from tgl.text.documents import diff_documents, json_lines_to_pages, page_documents, part_of


def pages(*items):
    more = {
        "title": "",
        "revision_id": 1,
        "timestamp": "",
        "sha1": "",
        "links": [],
        "sections": [],
        "given_up": "",
    }
    return to_arrow(
        [{"page_id": page_id, "text": text} | more for page_id, text in items], "pages"
    ).to_pylist()


def diff(*items):
    more = {"title": "", "revision_id": 1, "kind": "changed", "start": 0, "section": ""}
    return to_arrow(
        [{"page_id": page_id, "text": text} | more for page_id, text in items], "diff"
    ).to_pylist()


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**40), st.floats(0, 1), st.floats(0, 1))
def test_page_held_out_at_a_share_is_held_out_at_every_larger_one(page_id, one, other):
    small, large = sorted((one, other))
    if part_of(page_id, small) == "held_out":
        assert part_of(page_id, large) == "held_out"


def test_share_of_held_out_pages_is_as_asked():
    held = sum(part_of(page_id, 0.1) == "held_out" for page_id in range(20_000))
    assert held / 20_000 == pytest.approx(0.1, abs=0.01)
    assert {part_of(page_id, 0) for page_id in range(1000)} == {"train"}


def test_pages_with_text_are_documents_in_their_part():
    items = [(number, f"Text {number}.") for number in range(50)]
    expected = [(part_of(number, 0.3), text) for number, text in items]
    assert list(page_documents(pages(*items, (99, "")), 0.3)) == expected
    assert {part for part, _ in expected} == {"train", "held_out"}


def test_sentences_of_a_page_are_one_document():
    found = diff_documents(diff((1, "A."), (1, "B."), (2, "C."), (5, "D."), (5, "E.")), 0.3)
    assert list(found) == [(part_of(1, 0.3), "A. B."), (part_of(2, 0.3), "C."), (part_of(5, 0.3), "D. E.")]
    assert list(diff_documents(diff(), 0.3)) == []


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(1, 9), max_size=30).map(sorted))
def test_every_sentence_of_a_diff_is_in_exactly_one_document(page_ids):
    items = [(page_id, f"s{number}.") for number, page_id in enumerate(page_ids)]
    documents = list(diff_documents(diff(*items), 0.3))
    assert " ".join(text for _, text in documents).split() == [text for _, text in items]
    assert len(documents) == len(set(page_ids))


def test_a_page_is_in_the_same_part_as_page_and_as_diff():
    items = [(number, "Text.") for number in range(1, 100)]
    assert list(page_documents(pages(*items), 0.4)) == list(diff_documents(diff(*items), 0.4))


@pytest.mark.parametrize("name", ["t.jsonl", "t.jsonl.xz"])
def test_json_lines_become_pages(tmp_path, name):
    rows = [{"id": 5, "title": "A", "text": "Größe.\u2028x"}, {"id": "6", "title": "B", "text": " \n"}]
    content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    (tmp_path / name).write_bytes(lzma.compress(content) if name.endswith("xz") else content)
    json_lines_to_pages(tmp_path / name, tmp_path / "pages", None)
    (row,) = read_table(tmp_path / "pages", "pages").to_pylist()
    assert (row["page_id"], row["title"], row["text"], row["links"]) == (5, "A", "Größe.\u2028x", [])
    counts = read_counts(tmp_path / "pages")
    assert counts == {"lines_read": 2, "kept": 1, "empty_text": 1, "characters": 8}


@pytest.mark.parametrize(("limit", "kept"), [(1, 1), (10, 1), (11, 2), (1000, 4)])
def test_reading_stops_when_there_is_text_enough(tmp_path, limit, kept):
    lines = [json.dumps({"id": number, "title": "", "text": "x" * 10}) for number in range(4)]
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    json_lines_to_pages(tmp_path / "t.jsonl", tmp_path / "pages", limit)
    assert read_table(tmp_path / "pages", "pages").num_rows == kept


@pytest.mark.parametrize(
    "line",
    [
        "no json",
        "[]",
        "null",
        '{"id": 1, "title": "a"}',
        '{"id": 1, "title": "a", "text": null}',
        '{"id": "x", "title": "a", "text": "b"}',
        '{"id": -1, "title": "a", "text": "b"}',
        '{"id": 9223372036854775808, "title": "a", "text": "b"}',
        '{"id": 1e999, "title": "a", "text": "b"}',
        '{"id": 1, "title": "a", "text": "\\ud800"}',
        "[" * 5000,
    ],
)
def test_wrong_line_is_named_and_leaves_no_table(tmp_path, line):
    good = json.dumps({"id": 1, "title": "a", "text": "b"})
    (tmp_path / "t.jsonl").write_text(f"{good}\n{line}\n")
    with pytest.raises(TglError, match=r"t\.jsonl, line 2: found .*, expected a JSON object"):
        json_lines_to_pages(tmp_path / "t.jsonl", tmp_path / "pages", None)
    assert not (tmp_path / "pages").exists()


def test_missing_and_damaged_files_are_named(tmp_path):
    with pytest.raises(TglError, match=r"gone\.jsonl: no such file"):
        json_lines_to_pages(tmp_path / "gone.jsonl", tmp_path / "pages", None)
    packed = lzma.compress(b'{"id": 1, "title": "a", "text": "b"}\n' * 1000)
    (tmp_path / "cut.jsonl.xz").write_bytes(packed[:-20])
    with pytest.raises(TglError, match=r"cut\.jsonl\.xz"):
        json_lines_to_pages(tmp_path / "cut.jsonl.xz", tmp_path / "pages", None)


@pytest.mark.parametrize("name", ["enwiki-2015-sample.jsonl.xz", "enwiki-2021-new-pages.jsonl.xz"])
def test_real_text_is_read_up_to_a_limit(data_root, tmp_path, name):
    json_lines_to_pages(data_root / "text" / name, tmp_path / "pages", 500_000)
    counts = read_counts(tmp_path / "pages")
    rows = read_table(tmp_path / "pages", "pages").to_pylist()
    assert counts["lines_read"] == counts["kept"] + counts["empty_text"]
    assert counts["kept"] == len(rows) == len({row["page_id"] for row in rows})
    assert counts["characters"] == sum(len(row["text"]) for row in rows) >= 500_000
    assert counts["characters"] - len(rows[-1]["text"]) < 500_000
