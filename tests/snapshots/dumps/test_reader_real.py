import re

import pytest

from tgl.core.errors import TglError
from tgl.snapshots.dumps.reader import read_pages
from tgl.snapshots.dumps.revisions import revision_sha1

# name: pages, redirects
REAL = {
    "enwiki-dated/2019-10-09.xml.bz2": (15, 0),
    "enwiki-dated/2020-06-11.xml.bz2": (23, 1),
    "enwiki-dated/2021-01-22.xml.bz2": (23, 2),
    "enwiki-dated/2021-12-13.xml.bz2": (27, 2),
    "enwiki-dated/2022-08-24.xml.bz2": (27, 2),
    "enwiki-2016/enwiki-20160501-fragment-pages-articles-multistream.xml.bz2": (206, 100),
    "enwiki-2019/enwiki-20190120-fragment.xml.bz2": (74, 63),
    "aawiki/aawiki-20260101-pages-articles-multistream.xml.bz2": (507, 19),
    "aawiki/aawiki-20260101-pages-meta-current.xml.bz2": (507, 19),
    "ltgwiki/ltgwiki-2017-pages-articles.xml.bz2": (2004, 195),
    "parts/pages-articles-sample1.xml.bz2": (8, 0),
    "parts/pages-articles-sample4.xml.bz2": (4, 1),
}


@pytest.mark.parametrize("name", REAL)
def test_real_dump_is_read_to_its_end(data_root, name):
    pages = list(read_pages(data_root / "dumps" / name))
    assert (len(pages), sum(found.is_redirect for found in pages)) == REAL[name]
    assert len({found.page_id for found in pages}) == len(pages)
    assert all(found.title and found.revision_id and found.text is not None for found in pages)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", found.timestamp) for found in pages)


def test_sha1_of_real_revisions_is_that_of_the_text_read(data_root):
    dump = data_root / "dumps/aawiki/aawiki-20260101-pages-articles-multistream.xml.bz2"
    wrong = [found.title for found in read_pages(dump) if found.sha1 != revision_sha1(found.text)]
    assert wrong == []


def test_real_pages_whose_sha1_does_not_match_are_read(data_root):
    pages = list(read_pages(data_root / "dumps/ltgwiki/ltgwiki-2017-pages-articles.xml.bz2"))
    assert (len(pages), sum(found.sha1 != revision_sha1(found.text) for found in pages)) == (2004, 655)


def test_two_packings_of_one_real_wiki_give_the_same_pages(data_root):
    folder = data_root / "dumps/aawiki"
    one, other = (
        {found.page_id: found for found in read_pages(folder / f"aawiki-20260101-{name}.xml.bz2")}
        for name in ("pages-articles-multistream", "pages-meta-current")
    )
    assert one == other


def test_content_models_other_than_wikitext_are_told_apart(data_root):
    pages = list(read_pages(data_root / "dumps/ltgwiki/ltgwiki-2017-pages-articles.xml.bz2"))
    found = {model: sum(p.model == model for p in pages) for model in ("css", "javascript", "Scribunto")}
    assert found == {"css": 4, "javascript": 4, "Scribunto": 28}


def test_real_part_files_hold_together_what_the_whole_holds(data_root):
    folder = data_root / "dumps/parts"
    for sample in ("sample1", "sample2", "sample3"):
        whole = [found.page_id for found in read_pages(folder / f"pages-articles-{sample}.xml.bz2")]
        parts = sorted(folder.glob(f"pages-articles-{sample}.xml-p*.bz2"))
        assert sorted(found.page_id for part in parts for found in read_pages(part)) == sorted(whole)


@pytest.mark.parametrize("pages", ["p4606p5340", "p5341p5345"])
def test_real_truncated_part_file_is_an_error(data_root, pages):
    with pytest.raises(TglError, match="cut off"):
        list(read_pages(data_root / f"dumps/parts/pages-articles-sample4.xml-{pages}.bz2"))
