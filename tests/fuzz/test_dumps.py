"""A dump that is damaged, hostile or none gives pages or an error that names it."""

import bz2
import threading

import py7zr
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.cases import cases, damaged, refused_or
from tgl.snapshots.dumps.reader import RawPage, read_pages
from tgl.snapshots.full_history.history import write_snapshots
from tgl.snapshots.full_history.reverts import REASONS

HEAD = '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11">'
LAUGHS = (
    '<!DOCTYPE m [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">'
    '<!ENTITY d SYSTEM "file:///etc/passwd"><!ENTITY % e "<!ENTITY f \'g\'>"> %e;]>'
)
PIECES = [
    *"<page> </page> <revision> </revision> <id>5</id> <id>-1</id> <title>A</title> <text> </text> <text/> <a>".split(),
    *"<ns>1</ns> <ns>x</ns> <contributor><id>9</id></contributor> <redirect/> <mediawiki> </mediawiki> &a; &c;".split(),
    *"&d; &f; &#0; &#xD800; &#x10FFFF; <x:y/> <!--c--> <?p?> <![CDATA[x]]> ]]> <siteinfo> \0 é".split(),
    "<id>99999999999999999999</id>", "<id>" + "9" * 5000 + "</id>", '<text deleted="&c;">', '<page xmlns="">', LAUGHS,
    '<?xml version="1.0" encoding="utf-16"?>',
]  # fmt: skip
FILTERS = [None, [{"id": py7zr.FILTER_LZMA}], [{"id": py7zr.FILTER_BZIP2}], [{"id": py7zr.FILTER_COPY}]]


@st.composite
def pages(draw):
    """Return a page whose elements are there or not, in any order."""
    revision = draw(st.lists(st.sampled_from(
        ["<id>7</id>", "<timestamp>2019-01-01T00:00:00Z</timestamp>", "<model>wikitext</model>", "<sha1>x</sha1>",
         "<text>Text &amp; more</text>", "<content><text>{}</text></content>"]), unique=True, min_size=3))  # fmt: skip
    parts = ["<title>Berlin</title>", "<ns>0</ns>", f"<id>{draw(st.integers(0, 99))}</id>"]
    parts += [f"<revision>{''.join(revision)}</revision>"] * draw(st.sampled_from([1, 1, 1, 0, 3]))
    return (
        "<page>"
        + "".join(draw(st.permutations(parts)))[: draw(st.sampled_from([9999] * 5 + [40]))]
        + "</page>"
    )


@st.composite
def dumps(draw):
    """Return the XML of a dump in which pieces of XML may stand anywhere, and bytes may be damaged."""
    head = draw(st.sampled_from(["", '<?xml version="1.0"?>', LAUGHS])) + HEAD
    text = (
        head
        + "".join(draw(st.lists(pages(), max_size=4)))
        + draw(st.sampled_from(["</mediawiki>", "", "\0"]))
    )
    for _ in range(draw(st.sampled_from([0, 0, 1, 3]))):
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(st.sampled_from(PIECES)) + text[at:]
    return draw(damaged(text.encode()))


def read_all(path):
    """Read a dump, or see it refused; what is read must be fit to be stored."""
    found = refused_or(lambda: list(read_pages(path)), path)
    for page in found or ():
        assert isinstance(page, RawPage)
        assert 0 <= page.page_id < 2**63 > page.revision_id >= 0
        assert isinstance(page.namespace, int)
        for value in (page.title, page.timestamp, page.model, page.sha1, page.text or ""):
            value.encode()
            assert "hahahaha" not in value
            assert "root:" not in value


@cases(0.08)
@given(dumps())
def test_damaged_xml_gives_pages_or_an_error_with_its_file(folder, content):
    (folder / "d.xml").write_bytes(content)
    read_all(folder / "d.xml")


@cases(0.04)
@given(dumps(), st.data())
def test_damaged_bzip2_gives_pages_or_an_error_with_its_file(folder, content, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(content)), max_size=3)))
    streams = [content[a:b] for a, b in zip([0, *cuts], [*cuts, len(content)], strict=True)]
    packed = b"".join(map(bz2.compress, streams)) + data.draw(st.sampled_from([b"", b"BZh9", b"junk"]))
    (folder / "d.xml.bz2").write_bytes(data.draw(damaged(packed)))
    read_all(folder / "d.xml.bz2")


@cases(0.02)
@given(
    dumps(),
    st.sampled_from(FILTERS),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=3),
    st.sampled_from([1.0, 1.0, 0.999, 0.5]),
)
def test_damaged_7z_gives_pages_or_an_error_with_its_file(folder, content, filters, changes, keep):
    with py7zr.SevenZipFile(folder / "d.xml.7z", "w", filters=filters) as archive:
        archive.writestr(content, "d.xml")
    packed = bytearray(
        (folder / "d.xml.7z").read_bytes()
    )  # the time stands in it, so that its length is not drawn from
    for share, turned in changes:
        packed[int(len(packed) * share)] ^= turned
    (folder / "d.xml.7z").write_bytes(packed[: int(len(packed) * keep)])
    read_all(folder / "d.xml.7z")
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("7z")]


@cases(0.04)
@given(dumps())
def test_damaged_history_gives_snapshots_that_can_be_read_or_an_error_with_its_file(folder, content):
    (folder / "d.xml").write_bytes(content)
    dates = ["20190101", "20190102"]
    found = refused_or(
        lambda: write_snapshots(folder / "d.xml", dates, folder / "out", say=lambda text: None),
        folder / "d.xml",
    )
    for date, counts in (found or {}).items():
        assert counts["pages"] == sum(counts[reason] for reason in REASONS)
        assert len(list(read_pages(folder / "out" / date / "dump" / "d.xml.bz2"))) == counts["kept"]
