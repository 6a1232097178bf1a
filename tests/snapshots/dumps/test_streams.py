import bz2
from itertools import pairwise

import pytest

from tgl.core.errors import TglError
from tgl.snapshots.dumps import streams
from tgl.snapshots.dumps.reader import read_pages

HEAD = "<mediawiki><siteinfo><sitename>x</sitename></siteinfo>\n"


def page(number):
    text = f"Text {number}. " * 20
    revision = f"<revision><id>{number}</id><text>{text}</text></revision>"
    return f"<page><title>P{number}</title><ns>0</ns><id>{number}</id>{revision}</page>\n"


def multistream(path, streams, head=HEAD, tail="</mediawiki>"):
    """Write a dump of one stream for each list of page ids, between one for the head and one for the tail."""
    texts = [head, *("".join(map(page, ids)) for ids in streams), tail]
    path.write_bytes(b"".join(bz2.compress(text.encode()) for text in texts))
    return path


def ids(path, *bounds):
    return [found.page_id for found in read_pages(path, *bounds)]


STREAMS = [[n * 10 + k for k in range(1, 10, 3)] for n in range(12)]
ALL = [number for stream in STREAMS for number in stream]


@pytest.fixture
def dump(tmp_path):
    return multistream(tmp_path / "d.xml.bz2", STREAMS)


@pytest.mark.parametrize("first", [0, 1, 2, 34, 37, 38, 117, 118, 500])
@pytest.mark.parametrize("last", [None, 0, 1, 34, 40, 41, 117, 118, 500])
def test_a_range_of_page_ids_is_read_from_its_streams(dump, first, last):
    wanted = [number for number in ALL if first <= number and (last is None or number <= last)]
    assert ids(dump, first, last) == wanted


def test_streams_beside_the_range_are_not_decompressed(dump):
    content = bytearray(dump.read_bytes())
    starts = [i for i in range(len(content)) if content[i : i + 3] == b"BZh"]
    content[starts[3] + 30] ^= 255  # in the stream of pages 21 to 27
    dump.write_bytes(content)
    assert ids(dump, 61, 70) == [61, 64, 67]
    with pytest.raises(TglError, match=r"damaged or cut off|ends before"):
        ids(dump)


@pytest.mark.parametrize("cuts", [[100], [400, 900, 2000]])
def test_streams_that_end_inside_a_page_are_read_from_the_start(tmp_path, cuts):
    whole = (HEAD + "".join(map(page, range(1, 30))) + "</mediawiki>").encode()
    edges = [0, *cuts, len(whole)]
    path = tmp_path / "d.xml.bz2"
    path.write_bytes(b"".join(bz2.compress(whole[a:b]) for a, b in zip(edges, edges[1:], strict=False)))
    assert ids(path, 7, 12) == list(range(7, 13))


def test_one_stream_and_plain_xml_are_read_from_the_start(tmp_path):
    whole = HEAD + "".join(map(page, range(1, 30))) + "</mediawiki>"
    (tmp_path / "d.xml").write_text(whole)
    (tmp_path / "d.xml.bz2").write_bytes(bz2.compress(whole.encode()))
    assert ids(tmp_path / "d.xml", 7, 12) == ids(tmp_path / "d.xml.bz2", 7, 12) == list(range(7, 13))


def test_a_part_file_whose_name_says_another_range_is_not_opened(tmp_path):
    path = tmp_path / "enwiki-pages-articles1.xml-p1p41242.bz2"
    path.write_bytes(b"damaged")
    assert ids(path, 41243) == []
    with pytest.raises(TglError, match="damaged or cut off"):
        ids(path, 41242)


def test_a_file_cut_off_inside_the_range_is_refused(dump):
    content = dump.read_bytes()
    dump.write_bytes(content[: len(content) - 200])
    with pytest.raises(TglError, match="cut off"):
        ids(dump, 61)


@pytest.mark.parametrize(
    "name",
    [
        "enwiki-2016/enwiki-20160501-fragment-pages-articles-multistream",
        "aawiki/aawiki-20260101-pages-articles-multistream",
        "ltgwiki/ltgwiki-2017-pages-articles",
    ],
)
def test_shards_of_real_dumps_make_the_whole(data_root, name):
    path = data_root / f"dumps/{name}.xml.bz2"
    whole = list(read_pages(path))
    edges = [0, *(whole[len(whole) * part // 4].page_id for part in (1, 2, 3)), None]
    parts = [
        found
        for first, after in zip(edges, edges[1:], strict=False)
        for found in read_pages(path, first, None if after is None else after - 1)
    ]
    assert sorted(parts, key=lambda page: page.page_id) == sorted(whole, key=lambda page: page.page_id)


@pytest.mark.parametrize("bounds", [(), (5, 9)])
def test_an_empty_file_is_said_to_be_cut_off(tmp_path, bounds):
    (tmp_path / "d.xml.bz2").touch()
    with pytest.raises(TglError, match=r"d\.xml\.bz2: .*cut off"):
        ids(tmp_path / "d.xml.bz2", *bounds)


@pytest.fixture
def parallel(monkeypatch):
    """Every whole .bz2 file is decompressed by two threads, as large ones are."""
    monkeypatch.setattr(streams, "_PARALLEL_FROM", 0)


@pytest.mark.parametrize("parts", [1, 3])
def test_two_threads_give_the_bytes_of_a_file(parallel, tmp_path, parts):
    text = "".join(map(page, range(1, 9000))).encode()
    edges = [len(text) * part // parts for part in range(parts + 1)]
    path = tmp_path / "d.xml.bz2"
    path.write_bytes(b"".join(bz2.compress(text[a:b], 1) for a, b in pairwise(edges)))
    seen = []
    pieces = streams.xml_pieces(path, read=lambda done, total: seen.append((done, total)), threads=2)
    assert b"".join(pieces) == text
    size = path.stat().st_size
    assert [total for _, total in seen] == [size] * len(seen)
    assert 0 < seen[-1][0] <= size
    assert sorted(seen) == seen


def test_a_range_of_a_file_of_many_streams_needs_no_threads(parallel, dump, monkeypatch):
    monkeypatch.setattr(streams, "_in_parallel", lambda *given: pytest.fail("the whole file was read"))
    assert b"".join(streams.xml_pieces(dump, 61, 70, threads=2)).count(b"<page>") == 3


@pytest.mark.parametrize("damage", ["cut off", "flipped", "end", "no bz2"])
def test_a_damaged_file_is_an_error_for_two_threads_too(parallel, tmp_path, damage):
    content = bytearray(bz2.compress("".join(map(page, range(1, 9000))).encode(), 1))
    if damage == "cut off":
        del content[len(content) // 2 :]
    elif damage == "end":
        del content[-5:]
    elif damage == "flipped":
        content[len(content) // 2] ^= 0x10
    else:
        content = b"no compressed text"
    path = tmp_path / "d.xml.bz2"
    path.write_bytes(content)
    with pytest.raises(TglError, match=r"cannot be decompressed .* damaged or cut off"):
        list(streams.xml_pieces(path, threads=2))
