import pytest

from tgl.core.errors import TglError
from tgl.core.tables.read import read_table
from tgl.snapshots.extract.pages import REASONS, Shard, extract_pages

EVERYTHING = Shard(0, None)

# pages read, articles kept, redirects, pages of other namespaces, of other content models, and with an empty text
REAL = {
    "aawiki/aawiki-20260101-pages-articles-multistream.xml.bz2": (507, 0, 1, 505, 0, 1),
    "aawiki/aawiki-20260101-pages-meta-current.xml.bz2": (507, 0, 1, 505, 0, 1),
    "enwiki-2016/enwiki-20160501-fragment-pages-articles-multistream.xml.bz2": (206, 106, 99, 1, 0, 0),
    "enwiki-2019/enwiki-20190120-fragment.xml.bz2": (74, 11, 63, 0, 0, 0),
    "enwiki-dated/2019-10-09.xml.bz2": (15, 15, 0, 0, 0, 0),
    "enwiki-dated/2020-06-11.xml.bz2": (23, 22, 1, 0, 0, 0),
    "enwiki-dated/2021-01-22.xml.bz2": (23, 21, 2, 0, 0, 0),
    "enwiki-dated/2021-12-13.xml.bz2": (27, 24, 2, 1, 0, 0),
    "enwiki-dated/2022-08-24.xml.bz2": (27, 24, 2, 1, 0, 0),
    "minidumps/de.xml.bz2": (2, 2, 0, 0, 0, 0),
    "minidumps/es.xml.bz2": (1, 1, 0, 0, 0, 0),
    "minidumps/fr.xml.bz2": (3, 3, 0, 0, 0, 0),
    "minidumps/ja.xml.bz2": (1, 1, 0, 0, 0, 0),
    "minidumps/nl.xml.bz2": (2, 2, 0, 0, 0, 0),
    "minidumps/pl.xml.bz2": (1, 1, 0, 0, 0, 0),
    "minidumps/ru.xml.bz2": (1, 1, 0, 0, 0, 0),
    "ltgwiki/ltgwiki-2017-pages-articles.xml.bz2": (2004, 903, 147, 954, 0, 0),
    "parts/pages-articles-sample1.xml.bz2": (8, 0, 0, 6, 2, 0),
    "parts/pages-articles-sample1.xml-p1p1500.bz2": (2, 0, 0, 2, 0, 0),
    "parts/pages-articles-sample1.xml-p1501p4000.bz2": (2, 0, 0, 2, 0, 0),
    "parts/pages-articles-sample1.xml-p4001p4321.bz2": (2, 0, 0, 2, 0, 0),
    "parts/pages-articles-sample1.xml-p4322p4330.bz2": (2, 0, 0, 0, 2, 0),
    "parts/pages-articles-sample2.xml.bz2": (6, 0, 0, 2, 4, 0),
    "parts/pages-articles-sample2.xml-p4331p4350.bz2": (2, 0, 0, 0, 2, 0),
    "parts/pages-articles-sample2.xml-p4351p4380.bz2": (2, 0, 0, 2, 0, 0),
    "parts/pages-articles-sample2.xml-p4381p4443.bz2": (2, 0, 0, 0, 2, 0),
    "parts/pages-articles-sample3.xml.bz2": (5, 0, 0, 2, 3, 0),
    "parts/pages-articles-sample3.xml-p4444p4445.bz2": (2, 0, 0, 0, 2, 0),
    "parts/pages-articles-sample3.xml-p4446p4600.bz2": (1, 0, 0, 0, 1, 0),
    "parts/pages-articles-sample3.xml-p4601p4605.bz2": (2, 0, 0, 2, 0, 0),
    "parts/pages-articles-sample4.xml.bz2": (4, 0, 1, 3, 0, 0),
}
CUT_OFF = [f"parts/pages-articles-sample4.xml-{pages}.bz2" for pages in ("p4606p5340", "p5341p5345")]


def test_no_real_dump_of_one_revision_a_page_is_forgotten(data_root):
    folder = data_root / "dumps"
    found = {path.relative_to(folder).as_posix() for path in folder.glob("*/*.xml*bz2")}
    assert found == {*REAL, *CUT_OFF}


@pytest.mark.parametrize("name", REAL)
def test_every_page_of_a_real_dump_is_accounted_for(data_root, tmp_path, name):
    counts = extract_pages([data_root / "dumps" / name], tmp_path / "p", EVERYTHING)
    assert counts["pages_read"] == sum(counts[reason] for reason in REASONS)
    assert REAL[name] == tuple(
        counts[reason]
        for reason in (
            "pages_read", "kept_parsed", "redirect", "other_namespace", "other_content_model", "empty_text"
        )
    )  # fmt: skip
    table = read_table(tmp_path / "p", "pages")
    assert table.num_rows == counts["kept_parsed"]
    for row in table.to_pylist():
        for link in row["links"]:
            anchor = row["text"][link["start"] : link["end"]]
            assert anchor
            assert anchor == anchor.strip()


@pytest.mark.parametrize("name", CUT_OFF)
def test_a_real_dump_that_is_cut_off_leaves_no_table(data_root, tmp_path, name):
    with pytest.raises(
        TglError, match=rf"{name.rpartition('/')[2]}: ends before </mediawiki>\. The file is cut off"
    ):
        extract_pages([data_root / "dumps" / name], tmp_path / "p", EVERYTHING)
    assert list(tmp_path.iterdir()) == []


def test_real_files_and_categories_of_another_language_are_dropped(data_root, tmp_path):
    dump = data_root / "dumps/ltgwiki/ltgwiki-2017-pages-articles.xml.bz2"
    extract_pages([dump], tmp_path / "p", EVERYTHING)
    rows = read_table(tmp_path / "p", "pages").to_pylist()
    names = ("Fails:", "Kategoreja:", "Medeja:")
    assert not [link for row in rows for link in row["links"] if link["target"].startswith(names)]


def test_large_real_articles_are_extracted_with_a_limit_on_page_ids(data_root, tmp_path):
    folder = data_root / "dumps/enwiki-2016"
    dump = folder / "enwiki-20160501-fragment-pages-articles-multistream.xml.bz2"
    counts = extract_pages([dump], tmp_path / "p", Shard(0, 300))
    texts = read_table(tmp_path / "p", "pages")["text"].to_pylist()
    assert 0 < counts["pages_read"] < 206
    assert len(texts) > 0
    assert not any("{{" in text[:200] or "[[" in text[:200] for text in texts)


def test_real_snapshot_copies_what_the_one_before_has(data_root, tmp_path):
    old, new = ("2021-12-13", "2022-08-24")
    paths = {date: [data_root / f"dumps/enwiki-dated/{date}.xml.bz2"] for date in (old, new)}
    extract_pages(paths[old], tmp_path / "old", EVERYTHING)
    counts = extract_pages(paths[new], tmp_path / "new", EVERYTHING, previous=tmp_path / "old")
    assert counts == dict.fromkeys(REASONS, 0) | {
        "pages_read": 27,
        "kept_parsed": 19,
        "kept_copied": 5,
        "redirect": 2,
        "other_namespace": 1,
    }
    before = {row["page_id"]: row for row in read_table(tmp_path / "old", "pages").to_pylist()}
    after = {row["page_id"]: row for row in read_table(tmp_path / "new", "pages").to_pylist()}
    same = [page_id for page_id in after if after[page_id]["revision_id"] == before[page_id]["revision_id"]]
    assert len(same) == 5
    assert all(before[page_id] == after[page_id] for page_id in same)
    changed = [
        page_id for page_id in after.keys() - same if before[page_id]["text"] != after[page_id]["text"]
    ]
    assert len(changed) >= 15  # an edit need not change the clean text
