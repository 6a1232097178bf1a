import re

import pytest

import tgl.snapshots.dumps.streams as streams
from tgl.core.errors import TglError
from tgl.snapshots.dumps.reader import read_pages

PAGE = "<page><title>A</title><ns>0</ns><id>1</id><revision><id>1</id><text>{}</text></revision></page>"
HEAD, TAIL = (
    "<mediawiki>\n<siteinfo/>\n",
    "\n" + PAGE.format("x").replace("<id>1<", "<id>2<") + "</mediawiki>",
)
FAULTS = {
    "entity": ("x &nosuch; y", r"line 3: the entity &nosuch; is not defined\. .*Write the character itself"),
    "html entity": ("a&nbsp;b", "line 3: the entity &nbsp; is not defined"),
    "ampersand": ("a & b", "line 3: found a bare & or <"),
    "ampersand and name": ("AT&T b", "line 3: found a bare & or <"),
    "less": ("a < b", "line 3: found a bare & or <"),
    "end tag": ("a</title>", "line 3: an end tag does not match"),
    "control character": ("a\x01b", "line 3: a character that XML does not allow"),
    "nul": ("a\0b", "line 3: a character that XML does not allow"),
    "reference": ("a&#0;b", "line 3: a character that XML does not allow"),
    "latin-1": (b"caf\xe9 a", "line 3: found bytes that are not UTF-8"),
    "long text": ("x" * 11_000_000, "line 3: a text, an attribute or the nesting is larger than in any dump"),
    "depth": ("<a>" * 300, "larger than in any dump|XML elements inside <text>"),
}


@pytest.mark.parametrize("piece", [1 << 20, 7])
@pytest.mark.parametrize("name", FAULTS)
def test_fault_of_xml_is_named_with_its_line_and_what_mends_it(tmp_path, monkeypatch, name, piece):
    text, words = FAULTS[name]
    if piece < 100 < len(text):
        pytest.skip("too long for small pieces")
    monkeypatch.setattr(streams, "PIECE", piece)
    before, after = PAGE.split("{}")
    content = (HEAD + before).encode() + (text if isinstance(text, bytes) else text.encode())
    (tmp_path / "d.xml").write_bytes(content + (after + TAIL).encode())
    with pytest.raises(TglError, match=words) as caught:
        list(read_pages(tmp_path / "d.xml"))
    assert str(caught.value).startswith(f"{tmp_path}/d.xml: not well-formed XML, ")
    assert "cut off" not in str(caught.value)
    assert ("ownload" in str(caught.value)) == (name not in ("entity", "html entity", "long text", "depth"))


@pytest.mark.parametrize("cut", ["", "<te", "\x20caf\u00e9"[:-1]])
def test_file_that_ends_early_is_still_called_cut_off(tmp_path, cut):
    (tmp_path / "d.xml").write_text(HEAD + "<page><title>A</title>" + cut)
    with pytest.raises(TglError, match=r"ends before </mediawiki>\. The file is cut off"):
        list(read_pages(tmp_path / "d.xml"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x1f\x8b\x08\0packed", "compressed with gzip, unlike its name"),
        (b"BZh91AY&SY", "compressed with bzip2, unlike its name"),
        (b"hello", "found 'hello' at the beginning, expected <mediawiki>"),
        (b'<?xml version="1.0" encoding="nonsense"?><mediawiki>', "found bytes that are not UTF-8"),
    ],
)
def test_file_that_does_not_begin_as_a_dump_says_what_it_is(tmp_path, content, words):
    (tmp_path / "d.xml").write_bytes(content)
    with pytest.raises(TglError, match=re.escape(words)):
        list(read_pages(tmp_path / "d.xml"))


def test_lines_are_left_out_where_only_a_part_of_the_file_is_read(tmp_path):
    (tmp_path / "d.xml").write_text(HEAD + PAGE.format("&nosuch;") + TAIL)
    with pytest.raises(TglError, match="not well-formed XML: the entity &nosuch; is not defined"):
        list(read_pages(tmp_path / "d.xml", 1, 5))
