import hashlib

import pytest

from tests.snapshots.wikimedia.dump_host import CONTACT, DATE, LONG, SOURCES
from tgl.core.errors import TglError
from tgl.snapshots.settings import WikimediaConfig
from tgl.snapshots.wikimedia.hosts import SHIPPED, sources

ITEM = SOURCES + "*,*,archive,HOST/metadata/{wiki}-{date},,\n"


def name_of(date, part=""):
    return f"enwiki-{date}-pages-articles-multistream{part}.xml.bz2"


def test_a_date_that_the_main_host_lacks_comes_from_the_archive(host, fetch):
    fetch.table.write_text(ITEM.replace("HOST", host.url))
    host.offer_item(
        DATE, {name_of(DATE): LONG, name_of(DATE, "-index"): b"", f"enwiki-{DATE}-abstract.xml.bz2": b"x"}
    )
    assert [path.name for path in fetch()] == [name_of(DATE)]
    assert fetch.about == {"source": "archive", "wanted": DATE, "found": DATE}


def test_the_nearest_dump_is_taken_said_and_recorded(host, fetch):
    fetch.table.write_text(ITEM.replace("HOST", host.url))
    for date in ("20211201", "20211220", "20220201"):
        host.offer_item(date, {name_of(date): date.encode()})
    assert [path.name for path in fetch(search_days=40)] == [name_of("20211220")]
    assert fetch.about == {"source": "archive", "wanted": DATE, "found": "20211220"}
    assert any("using the nearest dump of archive, which is of 20211220" in line for line in fetch.said)
    with pytest.raises(TglError, match="no source has all files"):
        fetch(search_days=5)


def test_an_item_with_parts_and_the_whole_gives_the_parts(host, fetch):
    fetch.table.write_text(ITEM.replace("HOST", host.url))
    parts = [f"enwiki-{DATE}-pages-articles-multistream{n}.xml-p{n}p{n}.bz2" for n in (1, 2)]
    host.offer_item(DATE, {name_of(DATE): b"all", parts[0]: b"1", parts[1]: b"2"})
    assert [path.name for path in fetch()] == parts


def test_a_damaged_file_of_one_source_is_fetched_from_the_next(host, fetch):
    fetch.table.write_text(ITEM.replace("HOST", host.url))
    host.offer({name_of(DATE): b"damaged"}, sha1="0" * 40)
    host.offer_item(DATE, {name_of(DATE): LONG})
    assert [path.read_bytes() for path in fetch()] == [LONG]
    assert fetch.about["source"] == "archive"
    assert any("trying the next source" in line for line in fetch.said)


def test_files_named_by_the_table_with_size_and_checksum_come_first(host, fetch):
    host.files["/else/a.xml.bz2"] = LONG
    digest = hashlib.sha256(LONG).hexdigest()
    row = f"enwiki,{DATE},mine,{host.url}/else/a.xml.bz2,{len(LONG)},{digest}\n"
    fetch.table.write_text(SOURCES + row + row.replace(DATE, "20190101").replace("/a.xml", "/b.xml"))
    assert [path.name for path in fetch()] == ["a.xml.bz2"]
    assert fetch.about["source"] == "mine"


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("wiki,date\n", r"expected wiki,date,source"),
        (SOURCES + "enwiki,*,x,https://a.org/a.xml.bz2,5\n", r"line 3: expected 6 values"),
        (
            SOURCES + "enwiki,*,x,http://a.org/a.xml.bz2,5," + "0" * 40 + "\n",
            r"line 3: .*must begin with https",
        ),
        (
            SOURCES + "enwiki,*,x,https://a.org/a.txt,5," + "0" * 40 + "\n",
            r"line 3: 'a.txt' is not the name of a dump",
        ),
        (SOURCES + "enwiki,*,x,https://a.org/a.xml.bz2,five," + "0" * 40 + "\n", r"line 3: size 'five'"),
        (SOURCES + "enwiki,*,x,https://a.org/a.xml.bz2,5,xyz\n", r"line 3: checksum must be"),
    ],
)
def test_what_is_wrong_with_the_table_is_said_with_its_line(fetch, table, words):
    fetch.table.write_text(table)
    with pytest.raises(TglError, match=words):
        fetch()


def test_the_shipped_table_can_be_read_and_names_the_host_and_the_archive():
    config = WikimediaConfig(contact=CONTACT, search_days=20)
    found = [(source.name, source.date, source.listing) for source in sources(SHIPPED, config, "20190101")]
    host = "https://dumps.wikimedia.org"
    assert found[:3] == [
        (
            "exports",
            "20190101",
            f"{host}/other/mediawiki_content_current/enwiki/2019-01-01/xml/bzip2/SHA256SUMS",
        ),
        ("wikimedia", "20190101", "https://dumps.wikimedia.org/enwiki/20190101/dumpstatus.json"),
        ("archive.org", "20190101", "https://archive.org/metadata/enwiki-20190101"),
    ]
    assert {date for _, date, _ in found} == {"20190101", "20181220", "20190120"}
