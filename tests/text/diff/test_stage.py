import pyarrow.parquet as pq
import pytest

from tgl.core.errors import TglError
from tgl.core.tables.read import read_counts, read_table
from tgl.core.tables.write import write_table
from tgl.snapshots.extract.pages import Shard, extract_pages
from tgl.text.diff.stage import PAGE_COUNTS, diff_pages


def page(page_id, text, revision=1, sha1="", title="T", sections=()):
    return {
        "page_id": page_id,
        "title": title,
        "revision_id": revision,
        "timestamp": "",
        "sha1": sha1,
        "text": text,
        "links": [],
        "sections": sections,
        "given_up": "",
    }


def diff(folder, old, new):
    write_table(old, folder / "old", "pages")
    write_table(new, folder / "new", "pages")
    counts = diff_pages(folder / "old", folder / "new", folder / "diff", language="en")
    rows = read_table(folder / "diff", "diff").to_pylist()
    assert counts["pages"] == sum(counts[name] for name in PAGE_COUNTS) == len(new)
    assert counts["deleted"] == len({row["page_id"] for row in old} - {row["page_id"] for row in new})
    assert counts["new_page_sentences"] == sum(row["kind"] == "new_page" for row in rows)
    assert counts["changed_sentences"] == sum(row["kind"] == "changed" for row in rows)
    assert read_counts(folder / "diff") == counts
    return rows, counts


def test_new_page_counts_whole_and_changed_page_by_its_new_sentences(tmp_path):
    old = [page(2, "One is here. Two is here.", 1), page(9, "Gone.", 2)]
    new = [page(1, "All of it. Is new.", 3), page(2, "Two is here. Three is here.", 4, title="Renamed")]
    rows, counts = diff(tmp_path, old, new)
    assert [(row["page_id"], row["kind"], row["start"], row["text"]) for row in rows] == [
        (1, "new_page", 0, "All of it."),
        (1, "new_page", 11, "Is new."),
        (2, "changed", 13, "Three is here."),
    ]
    assert (rows[2]["title"], rows[2]["revision_id"]) == ("Renamed", 4)
    assert (counts["new_page"], counts["changed"], counts["deleted"]) == (1, 1, 1)


def test_a_sentence_knows_the_section_it_stands_in(tmp_path):
    sections = [{"title": "History", "level": 2, "start": 6}, {"title": "Later", "level": 3, "start": 13}]
    rows, _ = diff(tmp_path, [], [page(1, "Lead.\nOld a.\nNew birds. New cats.", 3, sections=sections)])
    assert [(row["section"], row["text"]) for row in rows] == [
        ("", "Lead."),
        ("History", "Old a."),
        ("Later", "New birds."),
        ("Later", "New cats."),
    ]


def test_a_damaged_text_is_refused_and_not_compared(tmp_path):
    write_table([page(n, f"Text {n}. " * 50) for n in range(40)], tmp_path / "new", "pages")
    write_table([], tmp_path / "old", "pages")
    group = pq.ParquetFile(tmp_path / "new").metadata.row_group(0)
    (text,) = (group.column(n) for n in range(group.num_columns) if group.column(n).path_in_schema == "text")
    content = bytearray((tmp_path / "new").read_bytes())
    content[text.data_page_offset - 20] ^= 1  # in the page before, of the values themselves
    (tmp_path / "new").write_bytes(content)
    with pytest.raises(TglError, match="new: not a readable Parquet file"):
        diff_pages(tmp_path / "old", tmp_path / "new", tmp_path / "diff", language="en")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (page(1, "Old.", 5), page(1, "New.", 5), "same_revision"),
        (page(1, "Old.", 5, "abc"), page(1, "New.", 6, "abc"), "same_revision"),
        (page(1, "A is.\nB is.", 5), page(1, "B is.\nA is.", 6), "same_text"),
        (page(1, "A is. B is.", 5), page(1, "A is.", 6), "same_text"),
    ],
)
def test_unchanged_pages_are_counted_under_their_reason(tmp_path, old, new, reason):
    rows, counts = diff(tmp_path, [old], [new])
    assert rows == []
    assert counts[reason] == 1


def test_missing_sha1_and_missing_revision_id_are_not_taken_as_equal(tmp_path):
    assert diff(tmp_path, [page(1, "Old.", 5)], [page(1, "New.", 6)])[1]["changed"] == 1
    # The reader gives the revision id 0 where an export has none.
    assert diff(tmp_path, [page(1, "Old.", 0)], [page(1, "New.", 0)])[1]["changed"] == 1


@pytest.mark.parametrize(("old", "new"), [([], []), ([page(1, "A.")], []), ([], [page(1, "A.")])])
def test_empty_snapshots_are_compared(tmp_path, old, new):
    rows, _ = diff(tmp_path, old, new)
    assert len(rows) == len(new)


def test_many_pages_are_joined_across_batches(tmp_path):
    old = [page(number, "Same.", number + 1) for number in range(0, 3000, 2)]
    new = [page(number, "Same.", number + 1) for number in range(0, 3000, 3)]
    rows, counts = diff(tmp_path, old, new)
    assert [row["page_id"] for row in rows] == list(range(3, 3000, 6))
    assert counts["same_revision"] == 500


@pytest.mark.parametrize("ids", [[2, 1], [1, 1]])
def test_pages_out_of_order_are_an_error_and_not_a_wrong_diff(tmp_path, ids):
    write_table([page(1, "A.")], tmp_path / "old", "pages")
    write_table([page(number, "A.") for number in ids], tmp_path / "new", "pages")
    with pytest.raises(TglError, match="ascending page ids"):
        diff_pages(tmp_path / "old", tmp_path / "new", tmp_path / "diff", language="en")
    assert not (tmp_path / "diff").exists()


def test_missing_table_is_named(tmp_path):
    write_table([], tmp_path / "new", "pages")
    with pytest.raises(TglError, match="old: no such file"):
        diff_pages(tmp_path / "old", tmp_path / "new", tmp_path / "diff", language="en")


def test_real_snapshots_give_the_known_numbers_of_pages(data_root, tmp_path):
    dates = ("2019-10-09", "2020-06-11")
    previous = None
    for date in dates:
        dump = data_root / f"dumps/enwiki-dated/{date}.xml.bz2"
        extract_pages([dump], tmp_path / date, Shard(0, None), previous=previous)
        previous = tmp_path / date
    counts = diff_pages(tmp_path / dates[0], tmp_path / dates[1], tmp_path / "diff", language="en")
    old, new = (read_table(tmp_path / date, "pages", ["page_id", "text"]).to_pylist() for date in dates)
    assert counts["pages"] == sum(counts[name] for name in PAGE_COUNTS) == len(new)
    common = {row["page_id"] for row in old} & {row["page_id"] for row in new}
    assert counts["new_page"] == len(new) - len(common)
    assert counts["changed"] + counts["same_text"] + counts["same_revision"] == len(common)
    assert counts["changed"] >= 10
    texts = {row["page_id"]: row["text"] for row in new}
    known = {row["page_id"]: row["text"] for row in old}
    rows = read_table(tmp_path / "diff", "diff").to_pylist()
    assert all(row["text"] in texts[row["page_id"]] for row in rows)
    assert {row["page_id"] for row in rows if row["kind"] == "changed"} <= common
    changed = [row for row in rows if row["kind"] == "changed"]
    fresh = sum(row["text"] not in known[row["page_id"]] for row in changed)
    assert fresh > 0.9 * len(changed)


@pytest.mark.parametrize(("wiki", "language"), [("de", "de"), ("zh-hant", "zh"), ("nb", "no"), ("", "en")])
def test_the_language_of_the_rules_must_be_that_of_the_wiki(tmp_path, wiki, language):
    about = {"wiki": {"language": wiki}}
    for name in ("old", "new"):
        write_table([page(1, "Er kam am 3. Mai.")], tmp_path / name, "pages", about=about)
    diff_pages(tmp_path / "old", tmp_path / "new", tmp_path / "diff", language=language)
    if wiki:
        with pytest.raises(
            TglError, match=rf"language '{wiki}', .* by the rules of 'fr'. Set text.language to"
        ):
            diff_pages(tmp_path / "old", tmp_path / "new", tmp_path / "diff", language="fr")
